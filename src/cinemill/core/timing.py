"""Time, exactly: rationals inside, integer milliseconds at rest, half-open ranges."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

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


def format_clock(milliseconds: int) -> str:
    """Return ``HH:MM:SS.mmm``, as in https://www.w3.org/TR/webvtt1/#webvtt-timestamp."""
    if milliseconds < 0:
        raise ValueError("a WebVTT timestamp cannot be negative")
    seconds, thousandths = divmod(milliseconds, MILLISECONDS_PER_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"
