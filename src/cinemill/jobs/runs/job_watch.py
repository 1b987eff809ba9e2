"""What a worker's heartbeat records of its attempt on the job's clock, and reads there."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from cinemill.core.job import ClaimedRun
from cinemill.errors import DatabaseUnavailable, JobCancelled
from cinemill.jobs.estimate import estimate_seconds_left, settle_seconds_left
from cinemill.jobs.runs.attempt import Attempt
from cinemill.storage.database import Database
from cinemill.storage.jobs.job_clock import pace, readings
from cinemill.storage.jobs.job_clock.pace import StepWork
from cinemill.storage.jobs.job_clock.readings import ClockReading
from cinemill.telemetry import get_logger

QUIET_SECONDS = 6.0
"""How often an attempt is noted that reports nothing."""

CLOCK_SET_SECONDS = 1.0
"""A difference between two clocks that changes by more was set; a response may be late by less."""

log = get_logger(__name__)


class JobWatch:
    """The clock of the job of one attempt at a time. For the heartbeat's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_failing = False
        """Whether the last note failed: of many in a row, the first is logged."""
        self._noted: tuple[str, float, str] | None = None
        """Of which attempt, with what fraction and message."""
        self._noted_at = -math.inf
        self._ahead_seconds: float | None = None
        """How far the database's clock was ahead of this process's monotonic one."""
        self._usual: tuple[str, Mapping[str, float]] = ("", {})
        """The run for which it was asked what steps take in similar jobs, and the answer."""

    def has_news(self, attempt: Attempt) -> bool:
        """Return whether the attempt has moved since it was last noted, or that is a while ago.

        The others must know how long a step has been at work that reports nothing.
        """
        is_old = time.monotonic() - self._noted_at > QUIET_SECONDS
        return is_old or self._noted != (attempt.run.token, attempt.fraction, attempt.message)

    def note_progress(self, attempt: Attempt) -> None:
        """Record progress and time left; set the attempt's clock by what the other steps did.

        Asks the attempt to stop where its job was cancelled. Never raises: progress can wait.
        """
        try:
            reading = self._note(attempt)
        except DatabaseUnavailable as error:
            self._log_failure(attempt, error)
            return
        except Exception:
            log.exception("progress not recorded", run=attempt.run.id)
            return
        self._is_failing = False
        if isinstance(reading, str):
            attempt.request_stop(JobCancelled(f"Cancelled: {reading}"))
        elif reading is not None:
            attempt.clock = reading

    def _note(self, attempt: Attempt) -> ClockReading | str | None:
        run, fraction, message = attempt.run, attempt.fraction, attempt.message
        left = self._settle(run, attempt)
        noted_at = time.monotonic()
        with self._database.once() as connection:
            reading = readings.note_progress(
                connection,
                run,
                fraction=fraction,
                message=message,
                seconds=attempt.seconds,
                seconds_left=left,
            )
        if isinstance(reading, ClockReading):
            self._noted, self._noted_at = (run.token, fraction, message), noted_at
            attempt.ends_at = None if left is None else noted_at + left
        return reading

    def _settle(self, run: ClaimedRun, attempt: Attempt) -> float | None:
        """Return the time left to state from now on; None where it is unknown."""
        with self._database.once() as connection:
            steps = pace.list_work(connection, run.job_id)
        before = self._read_stated(run, attempt)
        steps = [_update(step, attempt) if step.id == run.step_id else step for step in steps]
        estimated = estimate_seconds_left(steps, self._find_usual(run), own_id=run.step_id)
        return settle_seconds_left(before, estimated)

    def _read_stated(self, run: ClaimedRun, attempt: Attempt) -> float | None:
        """Return what is left of the time that was last stated; None where none is.

        Where the database's clock was set meanwhile, the one that this attempt stated counts.
        """
        with self._database.once() as connection:
            stated = readings.read_stated_time(connection, run.job_id)
        now = time.monotonic()
        ahead, self._ahead_seconds = self._ahead_seconds, stated.clock - now
        if ahead is None or abs(self._ahead_seconds - ahead) < CLOCK_SET_SECONDS:
            return stated.seconds_left
        return None if attempt.ends_at is None else attempt.ends_at - now

    def _find_usual(self, run: ClaimedRun) -> Mapping[str, float]:
        if self._usual[0] != run.token:
            with self._database.once() as connection:
                self._usual = (run.token, pace.measure_similar(connection, run.job_kind))
        return self._usual[1]

    def _log_failure(self, attempt: Attempt, error: DatabaseUnavailable) -> None:
        if not self._is_failing:
            log.warning("progress not recorded", run=attempt.run.id, why=error.message)
        self._is_failing = True


def _update(step: StepWork, attempt: Attempt) -> StepWork:
    """Return the attempt's own step as of this moment, by this process's clock."""
    return replace(step, fraction=attempt.fraction, seconds=attempt.seconds)
