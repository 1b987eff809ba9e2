"""Detection of jobs that take too long."""

from __future__ import annotations

from cinemill.jobs.service import JobService
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def log_stuck_jobs(service: JobService, hours: float) -> list[str]:
    """Log the jobs pending or running for over ``hours``; return their ids.

    The jobs are left alone: the engine finds a dead worker's lease, a hung encoder and a lost
    message within a minute. The remaining jobs wait for workers or are long.
    """
    stuck = service.get_stuck_jobs(hours)
    for job in stuck:
        log.warning("job is slow", job=job.id, state=job.state.value, queued_at=str(job.queued_at))
    return [job.id for job in stuck]
