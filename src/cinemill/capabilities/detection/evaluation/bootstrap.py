"""Intervals for figures, by drawing identities again and again.

Videos of one person resemble each other, so that drawing videos would promise too much: 1,000
videos of ten people inform about ten people. All videos of a drawn person are counted together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.evaluation.ranking import UnmeasurableScores

LEAST_IDENTITIES = 5
"""With fewer, no interval is given: their draws are too few to mean anything."""
REPLICATES = 1000
_LEAST_USABLE_SHARE = 0.5

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval, and what it rests on."""

    lower: float
    upper: float
    level: float
    identities: int
    replicates: int
    """Draws that could be measured: one with reals only, or fakes only, could not."""


def bootstrap_intervals(
    identities: Sequence[str],
    measure: Callable[[Weights], Sequence[float]],
    *,
    seed: int,
    replicates: int = REPLICATES,
    level: float = 0.95,
) -> list[Interval] | None:
    """Return an interval for each figure of ``measure``, or None if there are too few identities.

    ``identities`` names the person in each row; ``measure`` is given a weight for each row, and may
    raise UnmeasurableScores for a draw without one of the classes.
    """
    names, rows = np.unique(np.asarray(identities, dtype=str), return_inverse=True)
    if len(names) < LEAST_IDENTITIES:
        return None
    random = np.random.default_rng(seed)
    figures: list[Sequence[float]] = []
    for _ in range(replicates):
        drawn = random.integers(0, len(names), len(names))
        weights = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        try:
            figures.append(measure(weights[rows]))
        except UnmeasurableScores:
            continue
    if len(figures) < max(1, replicates * _LEAST_USABLE_SHARE):
        return None
    tail = (1 - level) / 2
    bounds = np.quantile(np.asarray(figures), [tail, 1 - tail], axis=0)
    return [
        Interval(float(lower), float(upper), level, len(names), len(figures))
        for lower, upper in bounds.T
    ]
