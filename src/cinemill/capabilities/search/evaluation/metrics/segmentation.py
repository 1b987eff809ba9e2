"""How well a sequence was divided, against how it really is divided. Pure.

A division is a list with the number of its segment for each unit (here: passages).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SegmentationScore:
    """Figures of one division."""

    pk: float
    """Share of pairs of units, half a segment apart, of which it is wrong whether they are in one
    segment (Beeferman, Berger and Lafferty 1999); 0 is perfect."""
    window_diff: float
    """Share of windows of that length with a wrong number of boundaries (Pevzner and Hearst 2002);
    0 is perfect."""
    found: int
    """Boundaries that were found, at most ``tolerance`` units from a true one."""
    claimed: int
    true: int


def score_division(
    truth: Sequence[int], claimed: Sequence[int], *, tolerance: int = 0
) -> SegmentationScore:
    """Return how well the units were divided. Raises ValueError where the lengths differ."""
    if len(truth) != len(claimed):
        raise ValueError("both divisions must be of the same units")
    true_at, claimed_at = list_boundaries(truth), list_boundaries(claimed)
    half = max(1, round(len(truth) / (len(true_at) + 1) / 2))
    windows = [(at, at + half) for at in range(len(truth) - half)]
    wrong_pairs = sum(
        (truth[one] == truth[other]) != (claimed[one] == claimed[other]) for one, other in windows
    )
    wrong_counts = sum(
        _count_within(true_at, one, other) != _count_within(claimed_at, one, other)
        for one, other in windows
    )
    number = max(1, len(windows))
    return SegmentationScore(
        pk=wrong_pairs / number,
        window_diff=wrong_counts / number,
        found=_match(true_at, claimed_at, tolerance),
        claimed=len(claimed_at),
        true=len(true_at),
    )


def measure_f1(scores: Sequence[SegmentationScore]) -> float:
    """Return the harmonic mean of precision and recall over all boundaries of these divisions."""
    found = sum(one.found for one in scores)
    total = sum(one.claimed + one.true for one in scores)
    return 2 * found / total if total else 1.0


def list_boundaries(division: Sequence[int]) -> list[int]:
    """Return the positions of the units that begin a segment, without the first one."""
    pairs = enumerate(pairwise(division), start=1)
    return [at for at, (before, after) in pairs if before != after]


def _count_within(boundaries: Sequence[int], first: int, last: int) -> int:
    return sum(first < at <= last for at in boundaries)


def _match(true_at: Sequence[int], claimed_at: Sequence[int], tolerance: int) -> int:
    """Return how many claimed boundaries are near a true one, each of which counts once."""
    left = list(true_at)
    found = 0
    for at in claimed_at:
        near = min(left, key=lambda one: abs(one - at), default=None)
        if near is not None and abs(near - at) <= tolerance:
            left.remove(near)
            found += 1
    return found
