"""Celery's scheduler of beat, made to outlive a clock that is set back."""

from __future__ import annotations

import time
from typing import Any

from celery.beat import Scheduler

from cinemill.telemetry import get_logger

SET_BACK_SECONDS = 60.0
"""The schedule counts in minutes: if the clock is set back by less, nothing is late."""

log = get_logger(__name__)


class SteadyScheduler(Scheduler):
    """A scheduler in memory that begins again where this machine's clock was set back.

    Celery's own waits until the clock has passed the time of the last run again, if need be for
    days. A clock that was set forward makes entries due at once, each of them once.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ahead_seconds = _measure_ahead()

    def tick(self, *args: Any, **options: Any) -> float:
        """Run what is due, and return the seconds until the next call."""
        ahead_seconds = _measure_ahead()
        back_seconds = self._ahead_seconds - ahead_seconds
        if back_seconds > SET_BACK_SECONDS:
            log.warning("this machine's clock was set back", seconds=round(back_seconds))
            now = self.app.now()
            for entry in self.schedule.values():
                entry.last_run_at = min(entry.last_run_at, now)
            self.populate_heap()
        self._ahead_seconds = ahead_seconds
        return float(super().tick(*args, **options))


def _measure_ahead() -> float:
    """Return how far the clock is ahead of elapsed time."""
    return time.time() - time.monotonic()
