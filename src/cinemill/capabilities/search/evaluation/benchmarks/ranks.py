"""How high the right video of a caption is ranked: recall at 1, 5 and 10, and the median rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cinemill.capabilities.search.evaluation.metrics.intervals import (
    Weights,
    bootstrap,
    bootstrap_mean,
)
from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion
from cinemill.capabilities.search.evaluation.metrics.report import RECALL_CUTOFFS, Figure


def find_rank(ranked: Sequence[str], video: str) -> int | None:
    """Return the rank of a video, from 1; None if it was not found.

    ``ranked`` are the videos of hits, the best first; one that has several counts by its best.
    """
    order = list(dict.fromkeys(ranked))
    return order.index(video) + 1 if video in order else None


def measure_ranks(
    questions: Sequence[AskedQuestion], ranks: Sequence[int | None], *, last: int
) -> Mapping[str, Figure]:
    """Return recall and the median rank, given the rank of each question's video.

    A video that was not found counts for no recall, however few videos there are, and for the
    median as the ``last`` of all that were looked through.
    """
    videos = [one.video for one in questions]
    figures = {}
    for cutoff in RECALL_CUTOFFS:
        found = [float(rank is not None and rank <= cutoff) for rank in ranks]
        mean = sum(found) / len(found)
        figures[f"recall_at_{cutoff}"] = Figure(mean, len(found), bootstrap_mean(videos, found))
    values = np.asarray([last if rank is None else rank for rank in ranks], np.float64)
    median = float(np.median(values))
    interval = bootstrap(videos, lambda weights: _find_median(values, weights))
    return {**figures, "median_rank": Figure(median, len(ranks), interval)}


def _find_median(values: Weights, weights: Weights) -> float:
    """Return the median of values that count several times; weights are whole numbers."""
    return float(np.median(np.repeat(values, weights.astype(np.int64))))
