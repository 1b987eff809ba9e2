"""Statistics of jobs, and workers with their memory and hardware encoders."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.operations import (
    ClockDocument,
    DurationStatistics,
    HardwareDocument,
    MemoryStatistics,
    OutcomeStatistics,
    QueueCounts,
    StatsDocument,
    WorkerDocument,
)
from cinemill.api.state import AppState, StateDep
from cinemill.errors import RedisUnavailable

router = APIRouter(tags=["operate"], route_class=BoundedRoute)


@router.get("/stats")
def read_stats(state: StateDep) -> StatsDocument:
    """Return statistics of jobs, workers and their hardware encoders.

    Counts by status, type and queue; how jobs ended, and why they failed; seconds by type; memory
    by kind of step; jobs that take suspiciously long; encoders, and which of them are suspended;
    live workers and their memory; the last time that the database's clock was set.
    """
    jobs = state.jobs
    return StatsDocument(
        queue=QueueCounts(**jobs.get_queue_stats()),
        outcomes={
            kind: OutcomeStatistics.model_validate(row) for kind, row in jobs.get_outcomes().items()
        },
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
        workers=_list_workers(state),
        clock=None if (jump := jobs.get_clock_jump()) is None else ClockDocument.from_jump(jump),
    )


def _list_workers(state: AppState) -> list[WorkerDocument] | None:
    try:
        found = state.live_workers.list_workers()
    except RedisUnavailable:
        return None
    return [WorkerDocument.from_worker(worker) for worker in found]
