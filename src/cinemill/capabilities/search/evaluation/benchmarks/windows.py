"""How well moments of one video are found: recall of the first, and mean average precision.

As the evaluation of QVHighlights defines them: a moment is right from a share on that the range of
both has of the range of either. Of several windows that answer a query, the first moment is
compared with the one that it shares most with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cinemill.capabilities.search.evaluation.metrics.intervals import bootstrap_mean
from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment
from cinemill.capabilities.search.evaluation.metrics.report import Figure

RECALL_SHARES = (0.5, 0.7)
SHARES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.5 to 0.95, over which the mean average precision is the mean."""


def measure_windows(
    questions: Sequence[AskedQuestion], found: Sequence[Sequence[Moment]]
) -> Mapping[str, Figure]:
    """Return recall and precision, given the moments found for each question, the best first."""
    videos = [one.video for one in questions]
    values: dict[str, list[float]] = {}
    for question, moments in zip(questions, found, strict=True):
        shares = [
            share_of_both(moment, window) for moment in moments[:1] for window in question.evidence
        ]
        best = max(shares, default=0.0)
        for share in RECALL_SHARES:
            values.setdefault(f"recall_1_at_{share:g}", []).append(float(best >= share))
        precisions = [measure_precision(moments, question.evidence, share) for share in SHARES]
        values.setdefault("map", []).append(float(np.mean(precisions)))
        values.setdefault("map_at_0.5", []).append(precisions[SHARES.index(0.5)])
        values.setdefault("map_at_0.75", []).append(precisions[SHARES.index(0.75)])
    return {
        name: Figure(float(np.mean(one)), len(one), bootstrap_mean(videos, one))
        for name, one in values.items()
    }


def share_of_both(first: Moment, second: Moment) -> float:
    """Return the time that both have as a share of the time that either has, 0 to 1."""
    if first.video != second.video:
        return 0.0
    both = min(first.end_ms, second.end_ms) - max(first.start_ms, second.start_ms)
    either = first.length_ms + second.length_ms - max(0, both)
    return max(0, both) / either if either > 0 else 0.0


def measure_precision(moments: Sequence[Moment], windows: Sequence[Moment], share: float) -> float:
    """Return the average precision of ranked moments, 0 to 1.

    Each window is found once, by the first moment that has this share of it; the precision at each
    recall is the best one from there on. Raises ValueError without a window.
    """
    if not windows:
        raise ValueError("a query without windows has no precision")
    left = list(windows)
    precisions: list[float] = []
    for rank, moment in enumerate(moments, start=1):
        best = max(left, key=lambda window: share_of_both(moment, window), default=None)
        if best is not None and share_of_both(moment, best) >= share:
            left.remove(best)
            precisions.append((len(windows) - len(left)) / rank)
    envelope = [max(precisions[first:]) for first in range(len(precisions))]
    return sum(envelope) / len(windows)
