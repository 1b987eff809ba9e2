"""Statistics of jobs, and the hardware encoders of workers."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.operations import (
    DurationStatistics,
    HardwareDocument,
    MemoryStatistics,
    QueueCounts,
    StatsDocument,
)
from cinemill.api.state import StateDep

router = APIRouter(tags=["operate"], route_class=BoundedRoute)


@router.get("/stats")
def read_stats(state: StateDep) -> StatsDocument:
    """Return statistics of jobs and of the workers' hardware encoders.

    Counts by status, type and queue; seconds by type; memory by kind of step; jobs that take
    suspiciously long; encoders, and which of them are suspended.
    """
    jobs = state.jobs
    return StatsDocument(
        queue=QueueCounts(**jobs.get_queue_stats()),
        processing_times={
            kind: DurationStatistics.model_validate(row)
            for kind, row in jobs.get_processing_times().items()
        },
        memory={
            kind: MemoryStatistics.model_validate(row) for kind, row in jobs.get_memory().items()
        },
        stuck=[
            JobDocument.from_job(job) for job in jobs.get_stuck_jobs(state.settings.stuck_hours)
        ],
        hardware=[HardwareDocument.from_offer(offer) for offer in jobs.list_hardware()],
    )
