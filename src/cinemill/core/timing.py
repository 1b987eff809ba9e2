"""Time, exactly: rationals inside, integer milliseconds at rest, half-open ranges."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

MILLISECONDS_PER_SECOND = 1000


def to_milliseconds(seconds: Fraction) -> int:
    """Convert seconds to whole milliseconds, rounding halves away from zero.

    So ranges stay symmetric.
    """
    scaled = seconds * MILLISECONDS_PER_SECOND
    half = Fraction(1, 2)
    return int(scaled + half) if scaled >= 0 else -int(-scaled + half)


def from_milliseconds(milliseconds: int) -> Fraction:
    """Convert whole milliseconds to exact seconds."""
    return Fraction(milliseconds, MILLISECONDS_PER_SECOND)


def from_pts(pts: int, time_base: Fraction) -> Fraction:
    """Convert a timestamp in units of ``time_base`` (seconds per tick) to exact seconds."""
    return pts * time_base


@dataclass(frozen=True, order=True, slots=True)
class TimeRange:
    """Half-open: ``start`` belongs to it, ``end`` does not. Seconds, exact, end ≥ start."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"time range ends at {self.end} before it starts at {self.start}")

    @property
    def duration(self) -> Fraction:
        return self.end - self.start

    def contains(self, moment: Fraction) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: TimeRange) -> bool:
        return self.start < other.end and other.start < self.end

    def intersection(self, other: TimeRange) -> TimeRange | None:
        """Return what both cover, or None where they do not overlap."""
        if not self.overlaps(other):
            return None
        return TimeRange(max(self.start, other.start), min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class LastFrame:
    """The frame that is shown last, in ticks of its stream's clock."""

    start: int
    length: int
    """0 where nothing tells it."""

    @property
    def end(self) -> int:
        return self.start + self.length


def find_last_frame(
    frames: Iterable[tuple[int, int]], *, stated_end: int | None = None, usual_step: int = 0
) -> LastFrame | None:
    """Return the last frame in the order in which frames are shown; None if there is none.

    A frame has no end of its own: it is shown until the next one. Of the last, containers state
    it, each in its own way and some not at all. ISO/IEC 14496-12 states how long a track is shown
    (8.3.2, 8.6.6), and the distance of frames in the order in which they are stored (8.6.1.2), not
    in that in which they are shown; RFC 9559, the length of a block (5.1.3.5.3) or of all
    (5.1.4.1.10).

    ``frames`` are (timestamp, duration) in any order, the duration 0 where it is not known;
    ``stated_end`` is when the container says that the track ends, which counts unless the frame
    begins later. Where nothing is stated, the frame lasts as long as a usual one: the median of the
    steps before it, or ``usual_step``.
    """
    durations: dict[int, int] = {}
    for time, duration in frames:
        durations[time] = max(durations.get(time, 0), duration)
    if not durations:
        return None
    times = sorted(durations)
    start = times[-1]
    if stated_end is not None and stated_end > start:
        return LastFrame(start, stated_end - start)
    steps = [after - before for before, after in pairwise(times)]
    usual = round(statistics.median(steps)) if steps else usual_step
    return LastFrame(start, durations[start] or usual)


def format_clock(milliseconds: int) -> str:
    """Return ``HH:MM:SS.mmm``, as in https://www.w3.org/TR/webvtt1/#webvtt-timestamp."""
    if milliseconds < 0:
        raise ValueError("a WebVTT timestamp cannot be negative")
    seconds, thousandths = divmod(milliseconds, MILLISECONDS_PER_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"
