"""Which frames of a video to look at: spread over its shots, alone or in short bursts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cinemill.core.frames import Shot
from cinemill.media.frames.index import FrameIndex

DEFAULT_COUNT = 32
FAST_COUNT = 8


def choose_frames(
    index: FrameIndex, shots: Sequence[Shot], count: int = DEFAULT_COUNT, *, burst: int = 1
) -> list[int]:
    """Return timestamps of at most ``count`` × ``burst`` frames, in order of time, none twice.

    Each shot gets places by its length, and one at least while there are enough; of more shots than
    places, those in the middle of equal shares of the video are chosen. A place is the key frame
    nearest to the middle of one of a shot's equal parts, where the middle half has one: it has the
    most detail, and nothing else is decoded for it. Otherwise it is the middle, far from cuts and
    fades. A burst goes on with the next frames of that shot.
    """
    if count < 1 or burst < 1:
        raise ValueError("count and burst are at least 1")
    times = index.times_ms
    ranges = [_frame_range(times, shot) for shot in shots]
    ranges = [(first, end) for first, end in ranges if end > first] or [(0, len(index))]
    lengths = [end - first for first, end in ranges]
    chosen: set[int] = set()
    for (first, end), places in zip(ranges, share_out(lengths, count), strict=True):
        for place in _spread(times, index.is_key, first, end, places):
            start = max(first, min(place, end - burst))
            chosen.update(range(start, min(end, start + burst)))
    return [int(index.pts[number]) for number in sorted(chosen)]


def share_out(lengths: Sequence[int], count: int) -> list[int]:
    """Return how many of ``count`` places each part gets: by length, none more than its length."""
    total = sum(lengths)
    count = min(count, total)
    if len(lengths) > count:
        return _middles(lengths, count)
    shares = [1] * len(lengths)
    left = count - len(lengths)
    while left:
        # The part whose places are farthest apart gets the next one: Jefferson's method, which is
        # never unfair by more than one place.
        best = max(
            (n for n, length in enumerate(lengths) if shares[n] < length),
            key=lambda n: lengths[n] / (shares[n] + 1),
        )
        shares[best] += 1
        left -= 1
    return shares


def _middles(lengths: Sequence[int], count: int) -> list[int]:
    """Give one place each to the parts that hold the middles of ``count`` equal shares."""
    ends = np.cumsum(lengths)
    middles = (np.arange(count) + 0.5) * (int(ends[-1]) / count)
    shares = [0] * len(lengths)
    for number in np.searchsorted(ends, middles, side="right"):
        shares[int(number)] += 1
    return shares


def _frame_range(times: NDArray[np.int64], shot: Shot) -> tuple[int, int]:
    first, end = np.searchsorted(times, [shot.start_ms, shot.end_ms])
    return int(first), int(end)


def _spread(
    times: NDArray[np.int64], is_key: NDArray[np.bool_], first: int, end: int, places: int
) -> list[int]:
    """Return frame numbers in equal parts of a shot's time; each at most once."""
    if places >= end - first:
        return list(range(first, end))
    start, stop = int(times[first]), int(times[end - 1])
    part_ms = (stop - start) / max(1, places)
    found: list[int] = []
    for place in range(places):
        number = _choose_near(times, is_key, start + part_ms * (place + 0.5), part_ms / 4)
        lowest = found[-1] + 1 if found else first
        highest = end - (places - len(found))
        found.append(max(lowest, min(number, highest)))
    return found


def _choose_near(
    times: NDArray[np.int64], is_key: NDArray[np.bool_], moment_ms: float, reach_ms: float
) -> int:
    """Return the key frame nearest to a time, if one is in reach, else the frame on screen."""
    low = int(np.searchsorted(times, moment_ms - reach_ms))
    high = int(np.searchsorted(times, moment_ms + reach_ms, side="right"))
    keys = low + np.flatnonzero(is_key[low:high])
    if keys.size:
        return int(keys[np.argmin(np.abs(times[keys] - moment_ms))])
    return int(np.searchsorted(times, math.ceil(moment_ms), side="right")) - 1
