"""Intervals of figures, by drawing videos again and again.

Questions about one video are found or missed together, so that drawing questions would promise too
much. All questions of a drawn video are counted together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_VIDEOS = 5
"""With fewer, no interval is given: their draws are too few to mean anything."""
REPLICATES = 1000
SEED = 7
_LEAST_USABLE_SHARE = 0.5

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval, and what it rests on."""

    lower: float
    upper: float
    level: float
    videos: int


def bootstrap(
    videos: Sequence[str],
    measure: Callable[[Weights], float],
    *,
    seed: int = SEED,
    replicates: int = REPLICATES,
    level: float = 0.95,
) -> Interval | None:
    """Return the interval of ``measure``, or None if there are too few videos.

    ``videos`` names the video of each question. ``measure`` is given a weight for each question and
    returns the figure; NaN where a draw has none, as without any near miss.
    """
    names, rows = np.unique(np.asarray(videos, dtype=str), return_inverse=True)
    if len(names) < LEAST_VIDEOS:
        return None
    random = np.random.default_rng(seed)
    figures = []
    for _ in range(replicates):
        drawn = random.integers(0, len(names), len(names))
        weights = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        figures.append(measure(weights[rows]))
    usable = np.asarray(figures)[np.isfinite(figures)]
    if len(usable) < max(1, replicates * _LEAST_USABLE_SHARE):
        return None
    tail = (1 - level) / 2
    lower, upper = np.quantile(usable, [tail, 1 - tail])
    return Interval(float(lower), float(upper), level, len(names))


def bootstrap_mean(
    videos: Sequence[str], values: Sequence[float], *, seed: int = SEED
) -> Interval | None:
    """Return the interval of a mean over questions.

    Of two searches, give each question's difference: the interval of the difference of their means
    is far narrower than what their own intervals suggest.
    """
    return bootstrap_ratio(videos, values, [1.0] * len(values), seed=seed)


def bootstrap_ratio(
    videos: Sequence[str],
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    seed: int = SEED,
) -> Interval | None:
    """Return the interval of a sum over another, both over the same questions.

    Such as nDCG on automatic transcripts over nDCG on the true ones.
    """
    upper, lower = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)

    def measure(weights: Weights) -> float:
        total = float(weights @ lower)
        return float(weights @ upper) / total if total else float("nan")

    return bootstrap(videos, measure, seed=seed)
