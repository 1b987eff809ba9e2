"""What the jobs of an installation come to: counts, times, memory, and those that take too long."""

from __future__ import annotations

from typing import Any

from cinemill.core.hardware import Offer
from cinemill.core.job import Job
from cinemill.storage import hardware
from cinemill.storage.clock import ClockJump, read_last_jump
from cinemill.storage.database import Database
from cinemill.storage.jobs import statistics


class JobFigures:
    """Each is one short transaction. All raise DatabaseUnavailable where PostgreSQL is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_queue_stats(self) -> dict[str, Any]:
        """Return counts ``by_status``, ``by_type``, ``by_queue`` (waiting), and the ``total``."""
        with self._database.begin() as connection:
            return statistics.count_jobs(connection)

    def list_hardware(self) -> list[Offer]:
        """Return the hardware encoders of live workers, both serving and suspended."""
        with self._database.begin() as connection:
            return hardware.list_offers(connection)

    def get_clock_jump(self) -> ClockJump | None:
        """Return the last time that the database's clock was set; None where it never was."""
        with self._database.begin() as connection:
            return read_last_jump(connection)

    def get_processing_times(self) -> dict[str, dict[str, float]]:
        """Return count, average, p50, p90 and p99 in seconds of completed jobs, by kind."""
        with self._database.begin() as connection:
            return statistics.measure_durations(connection)

    def get_outcomes(self) -> dict[str, dict[str, Any]]:
        """Return how jobs of the last days ended, their completion rate and why, by kind."""
        with self._database.begin() as connection:
            return statistics.count_outcomes(connection)

    def get_memory(self) -> dict[str, dict[str, float]]:
        """Return count, p50 and max in bytes of attempts that ended normally, by kind of step."""
        with self._database.begin() as connection:
            return statistics.measure_memory(connection)

    def get_stuck_jobs(self, hours: float = 2.0) -> list[Job]:
        """Return jobs pending or running for over ``hours``: the 500 oldest, in order."""
        with self._database.begin() as connection:
            return statistics.list_stuck(connection, hours=hours)
