"""How well hits are ranked: nDCG, recall and reciprocal rank.

A hit is right if it lies in the right video and shares half of the shorter of both ranges; a hit
of minutes is none, however much it covers. Each piece of evidence counts once, for the first hit
that shows it: a second one gains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cinemill.capabilities.search.evaluation.metrics.records import Moment

LEAST_SHARED = 0.5
LONGEST_HIT_MS = 30_000
"""Longer hits are right only for evidence that is itself at least half as long."""


def is_right(hit: Moment, evidence: Moment) -> bool:
    """Check whether playing this hit shows the evidence."""
    shorter_ms = min(hit.length_ms, evidence.length_ms)
    if hit.video != evidence.video or shorter_ms <= 0:
        return False
    if hit.length_ms > max(LONGEST_HIT_MS, 2 * evidence.length_ms):
        return False
    shared_ms = min(hit.end_ms, evidence.end_ms) - max(hit.start_ms, evidence.start_ms)
    return shared_ms >= LEAST_SHARED * shorter_ms


def count_gains(hits: Sequence[Moment], evidence: Sequence[Moment]) -> list[int]:
    """Return how many pieces of evidence each hit is the first to show."""
    left = list(evidence)
    gains = []
    for hit in hits:
        shown = [one for one in left if is_right(hit, one)]
        left = [one for one in left if one not in shown]
        gains.append(len(shown))
    return gains


def measure_ndcg(hits: Sequence[Moment], evidence: Sequence[Moment], cutoff: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the first hits, 0 to 1.

    A hit's gain is 1 if it shows evidence for the first time. Raises ValueError without evidence.
    """
    _require(evidence)
    gains = count_gains(hits[:cutoff], evidence)
    gained = sum(min(gain, 1) / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
    # One hit may show two pieces of evidence: then fewer hits than pieces are ideal.
    most = max(1, min(cutoff, len(evidence) - sum(max(0, gain - 1) for gain in gains)))
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, most + 1))


def measure_recall(hits: Sequence[Moment], evidence: Sequence[Moment], cutoff: int) -> float:
    """Return the share of the evidence that the first hits show. Raises ValueError without any."""
    _require(evidence)
    return sum(count_gains(hits[:cutoff], evidence)) / len(evidence)


def measure_reciprocal_rank(hits: Sequence[Moment], evidence: Sequence[Moment]) -> float:
    """Return 1 over the rank of the first right hit; 0 if there is none.

    Raises ValueError without evidence.
    """
    _require(evidence)
    ranks = (
        rank
        for rank, hit in enumerate(hits, start=1)
        if any(is_right(hit, one) for one in evidence)
    )
    return next((1 / rank for rank in ranks), 0.0)


def _require(evidence: Sequence[Moment]) -> None:
    if not evidence:
        raise ValueError("a question without an answer has no ranking")
