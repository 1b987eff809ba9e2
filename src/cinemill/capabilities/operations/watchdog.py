"""Detection of jobs that take too long."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.storage.database import Database
from cinemill.storage.jobs import statistics
from cinemill.telemetry import get_logger

log = get_logger(__name__)


MOST_LISTED = 50
MOST_LOGGED = 5


@dataclass(frozen=True, slots=True)
class StuckJobs:
    """Jobs that take too long."""

    ids: tuple[str, ...]
    """Of the oldest."""
    more: int
    """How many there are besides."""


def log_stuck_jobs(database: Database, hours: float) -> StuckJobs:
    """Log the jobs that are pending or running for over ``hours``, in one line; return them.

    The jobs are left alone: the engine finds a dead worker's lease, a hung encoder and a lost
    message within a minute. The remaining jobs wait for workers or are long.
    """
    with database.begin() as connection:
        oldest = statistics.list_stuck(connection, hours=hours, limit=MOST_LISTED)
        count = statistics.count_stuck(connection, hours=hours) if oldest else 0
    if oldest:
        log.warning(
            "jobs are slow",
            count=count,
            oldest=[job.id for job in oldest[:MOST_LOGGED]],
            since=str(oldest[0].queued_at),
        )
    return StuckJobs(tuple(job.id for job in oldest), max(0, count - len(oldest)))
