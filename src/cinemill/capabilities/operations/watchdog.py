"""Jobs that take too long, said aloud; and the counts that operators ask for."""

from __future__ import annotations

from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def check_stuck_jobs(service: JobService, hours: float, _context: StepContext) -> StepOutcome:
    """Name the jobs pending or running for over ``hours``. Result: ``stuck_jobs``, ids.

    Nothing is done to them: a dead worker's lease, a hung encoder and a lost message are found by
    the engine within a minute. What is left waits for workers or is long.
    """
    stuck = service.get_stuck_jobs(hours)
    for job in stuck:
        log.warning("job is slow", job=job.id, state=job.state.value, queued_at=str(job.queued_at))
    return StepOutcome({"stuck_jobs": [job.id for job in stuck]})


def get_queue_stats(service: JobService, _context: StepContext) -> StepOutcome:
    """Counts by status, type and queue. Result: as ``JobService.get_queue_stats``."""
    return StepOutcome(service.get_queue_stats())
