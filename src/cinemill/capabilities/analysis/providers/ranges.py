"""Ranges of a video that a vision model is asked about, one request each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cinemill.core.frames import Shot

RANGE_MS = 30_000
MOST_RANGES = 240
"""Of a video: in a long one they are longer."""
Range = tuple[int, int]


def plan_ranges(shots: Sequence[Shot], duration_ms: int) -> list[Range]:
    """Return ranges that cover a video from 0 to its end, in order, half-open.

    Shots in a row share a range as long as they fit into it; one that does not is divided evenly.
    Without shots the whole video is divided. Raises nothing; an empty video has no range.
    """
    end_ms = shots[-1].end_ms if shots else duration_ms
    longest_ms = max(RANGE_MS, -(-end_ms // MOST_RANGES))
    cuts = [shot.end_ms for shot in shots[:-1]] + [end_ms]
    ranges: list[Range] = []
    begin = last = 0
    for cut in cuts:
        if cut <= last:
            continue
        if cut - begin > longest_ms and last > begin:
            ranges.append((begin, last))
            begin = last
        if cut - begin > longest_ms:
            ranges += _divide(begin, cut, longest_ms)
            begin = cut
        last = cut
    if last > begin:
        ranges.append((begin, last))
    return ranges


def _divide(start_ms: int, end_ms: int, longest_ms: int) -> list[Range]:
    length = end_ms - start_ms
    count = -(-length // longest_ms)
    bounds = [start_ms + length * number // count for number in range(count + 1)]
    return list(pairwise(bounds))
