"""Jobs that take too long."""

from __future__ import annotations

from cinemill.jobs.service import JobService
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def log_stuck_jobs(service: JobService, hours: float) -> list[str]:
    """Log the jobs pending or running for over ``hours``; returns their ids.

    Nothing is done to them: a dead worker's lease, a hung encoder and a lost message are found by
    the engine within a minute. What is left waits for workers or is long.
    """
    stuck = service.get_stuck_jobs(hours)
    for job in stuck:
        log.warning("job is slow", job=job.id, state=job.state.value, queued_at=str(job.queued_at))
    return [job.id for job in stuck]
