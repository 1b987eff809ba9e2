"""Weights under which a set of videos is half real and half fake, whatever was collected."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cinemill.capabilities.detection.evaluation.ranking import Numbers, UnmeasurableScores

PRIOR_FAKE = 0.5
"""Share of fakes that a calibrated probability assumes, as the calibration is fitted to it."""


def weigh_classes(is_fake: ArrayLike) -> Numbers:
    """Return a weight for each video: fakes add up to ``PRIOR_FAKE``, all videos to 1.

    A test set has as many fakes as somebody collected: without the weights, a figure that mixes
    both classes measures their ratio. Raises UnmeasurableScores if either class is missing.
    """
    labels = np.asarray(is_fake, bool)
    fakes = int(labels.sum())
    reals = labels.size - fakes
    if not fakes or not reals:
        raise UnmeasurableScores("A real and a fake video are needed; only one kind is there.")
    return np.where(labels, PRIOR_FAKE / fakes, (1 - PRIOR_FAKE) / reals)
