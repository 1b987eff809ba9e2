"""Where the subject changes among the passages of a video, by TextTiling. Pure.

At each gap between two passages, what comes before is compared with what comes after. A gap whose
similarity is a valley, deep below the peaks on both sides, begins a chapter (M. Hearst,
"TextTiling: Segmenting Text into Multi-paragraph Subtopic Passages", Computational Linguistics
23(1), 1997).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev

WINDOW = 6
"""Passages on each side of a gap that are compared, about a minute."""
LEAST_CHAPTER_MS = 45_000
MOST_CHAPTERS = 100
LEAST_DEPTH = 0.3
"""So that a video with one subject has no chapters: its valleys are all shallow."""
_DEVIATIONS = 0.5
"""Below the mean depth of a video's valleys, in their standard deviations, as Hearst has it."""


def find_boundaries(
    similarities: Sequence[float], starts_ms: Sequence[int], end_ms: int
) -> list[int]:
    """Return the positions of the passages that begin a chapter, in order, without the first one.

    ``similarities`` has one number for each gap, ``starts_ms`` one time for each passage, and
    ``end_ms`` is the video's end. The deepest valleys are chosen first; each chapter is at least
    45 s long, and there are at most 100 of them. Raises ValueError where the lengths do not
    fit.
    """
    if len(similarities) != max(0, len(starts_ms) - 1):
        raise ValueError("there is one similarity for each gap between passages")
    valleys = list(_find_valleys(similarities))
    if not valleys:
        return []
    depths = [depth for depth, _ in valleys]
    least = max(LEAST_DEPTH, fmean(depths) - _DEVIATIONS * pstdev(depths))
    taken_ms = [0, end_ms]
    chosen: list[int] = []
    for depth, gap in sorted(valleys, key=lambda valley: (-valley[0], valley[1])):
        if depth < least or len(chosen) + 1 == MOST_CHAPTERS:
            break
        start_ms = starts_ms[gap + 1]
        at = bisect_left(taken_ms, start_ms)
        if at == len(taken_ms):
            continue
        if min(start_ms - taken_ms[at - 1], taken_ms[at] - start_ms) >= LEAST_CHAPTER_MS:
            insort(taken_ms, start_ms)
            chosen.append(gap + 1)
    return sorted(chosen)


def _find_valleys(similarities: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Yield the depth and the position of each gap that is no more alike than those next to it."""
    lefts, rights = _climb(similarities), _climb(similarities[::-1])[::-1]
    for gap, here in enumerate(similarities):
        around = similarities[max(0, gap - 1) : gap + 2]
        depth = lefts[gap] + rights[gap] - 2 * here
        if here == min(around) and depth > 0:
            yield depth, gap


def _climb(similarities: Sequence[float]) -> list[float]:
    """Return the height of the peak that is reached from each gap by going back uphill."""
    peaks: list[float] = []
    for at, here in enumerate(similarities):
        is_uphill = at > 0 and similarities[at - 1] >= here
        peaks.append(peaks[-1] if is_uphill else here)
    return peaks
