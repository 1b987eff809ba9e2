"""The logical clock by which Celery orders events."""

from __future__ import annotations

from typing import Any

from kombu.clocks import LamportClock

HIGHEST_CLOCK = 2**53
"""The highest value that a message may contain: JSON's largest exact integer."""


class BoundedClock(LamportClock):
    """A logical clock that ignores absurd values from messages.

    An integer of thousands of digits cannot be sent any more, and would make every later event
    fail in the worker's loop.
    """

    def adjust(self, other: Any) -> int:
        is_sane = isinstance(other, int) and 0 <= other < HIGHEST_CLOCK
        value: int = super().adjust(other) if is_sane else self.forward()
        return value
