"""Whether a probability means what it says: expected calibration error and the table behind it.

Both classes weigh the same, however many videos each has: a probability of 0.5 says that both are
equally likely, so it can be right only where half of the videos are fake.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.capabilities.detection.evaluation.class_weights import PRIOR_FAKE, weigh_classes
from cinemill.capabilities.detection.evaluation.ranking import Numbers, UnmeasurableScores

BINS = 10
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Videos whose probability lies in a range; the upper end belongs to the next one."""

    lower: float
    upper: float
    count: int
    weight: float
    """Share of all videos, with classes of equal weight."""
    mean_probability: float
    share_fake: float
    """With classes of equal weight, as are all figures here but ``count``."""
    share_lower: float
    """Lower end of Wilson's 95 % interval of ``share_fake``."""
    share_upper: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Calibration of a set of probabilities; empty bins are left out."""

    expected_error: float
    """Mean distance of probability and observed share, by the weight of each bin."""
    maximum_error: float
    bins: tuple[ReliabilityBin, ...]
    prior_fake: float = PRIOR_FAKE
    """Share of fakes to which the classes were weighted."""


def measure_reliability(
    is_fake: ArrayLike, probabilities: ArrayLike, bins: int = BINS
) -> Reliability:
    """Compare probabilities with what was observed, in so many bins of equal width.

    More videos of one class change no figure but the counts and the width of intervals. Raises
    UnmeasurableScores if a probability is outside 0 to 1, or a class is missing.
    """
    labels = np.asarray(is_fake, bool)
    values = np.asarray(probabilities, float)
    if not len(values) or labels.shape != values.shape:
        raise UnmeasurableScores("There are no probabilities, or not one for each label.")
    if not ((values >= 0) & (values <= 1)).all():
        raise UnmeasurableScores("A probability is outside the range 0 to 1.")
    weights = weigh_classes(labels)
    numbers = np.minimum((values * bins).astype(int), bins - 1)
    table = tuple(
        _describe_bin(number, bins, values[inside], labels[inside], weights[inside])
        for number in np.unique(numbers)
        for inside in [numbers == number]
    )
    errors = np.asarray([abs(one.mean_probability - one.share_fake) for one in table])
    shares = np.asarray([one.weight for one in table])
    return Reliability(float(errors @ shares), float(errors.max()), table)


def wilson_interval(hits: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share, which stays inside 0 to 1 even for a few videos."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = hits / count, _Z_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def _describe_bin(
    number: int, bins: int, values: Numbers, labels: NDArray[np.bool_], weights: Numbers
) -> ReliabilityBin:
    weight = float(weights.sum())
    share = min(1.0, float(weights[labels].sum()) / weight)
    # Videos of unequal weight say as much as so many of equal weight (Kish, 1965).
    effective = weight**2 / float((weights**2).sum())
    lower, upper = wilson_interval(share * effective, effective)
    return ReliabilityBin(
        lower=number / bins,
        upper=(number + 1) / bins,
        count=len(values),
        weight=weight,
        mean_probability=float(np.average(values, weights=weights)),
        share_fake=share,
        share_lower=lower,
        share_upper=upper,
    )
