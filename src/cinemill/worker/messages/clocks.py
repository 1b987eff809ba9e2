"""The logical clock by which Celery orders events."""

from __future__ import annotations

from typing import Any

from kombu.clocks import LamportClock

HIGHEST_CLOCK = 2**53
"""That a message may bring: JSON's largest exact whole number."""


class BoundedClock(LamportClock):
    """A logical clock that no message can set to what cannot be sent any more: an integer of
    thousands of digits makes every later event fail in the worker's loop."""

    def adjust(self, other: Any) -> int:
        is_sane = isinstance(other, int) and 0 <= other < HIGHEST_CLOCK
        value: int = super().adjust(other) if is_sane else self.forward()
        return value
