"""Jobs: list, look, cancel, retry, forget; dead letters; statistics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from cinemill.api.http.bodies import TIMELINE_BYTES, BoundedRoute, body_at_most
from cinemill.api.routes.dead_messages import read_dead_messages
from cinemill.api.routes.job_requests import CancelRequest, NewJob, RetryRequest
from cinemill.api.routes.serializers import dead_document, job_document, name_twice, shorten_lists
from cinemill.api.state import OWNER, StateDep
from cinemill.core.job import JobState

router = APIRouter(tags=["jobs"], route_class=BoundedRoute)

PageLimit = Annotated[int, Query(ge=1, le=500)]


@router.get("/jobs")
def list_jobs(
    state: StateDep,
    states: Annotated[list[JobState] | None, Query(alias="state")] = None,
    kind: str | None = None,
    asset_id: str | None = None,
    before: str | None = None,
    id_prefix: Annotated[str | None, Query(max_length=100)] = None,
    limit: PageLimit = 50,
    list_items: Annotated[int | None, Query(ge=0)] = None,
) -> dict[str, Any]:
    """Jobs, newest first. ``next`` is the value of ``before`` for the next page, or null.

    ``id_prefix`` finds a job by the first characters of its id. ``list_items`` is how much is told
    of each list in ``params`` and ``result``: a timeline may have thousands of clips.
    """
    found = state.jobs.list_jobs(
        states=states or (),
        kind=kind,
        owner=OWNER,
        asset_id=asset_id,
        before=before,
        id_prefix=id_prefix,
        limit=limit + 1,
    )
    page = found[:limit]
    documents = [job_document(job) for job in page]
    if list_items is not None:
        documents = [shorten_lists(one, list_items) for one in documents]
    return {
        "jobs": documents,
        "next": page[-1].id if len(found) > limit else None,
    }


@router.post("/jobs")
@body_at_most(TIMELINE_BYTES)
def create_job(
    wish: NewJob,
    state: StateDep,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> dict[str, Any]:
    """Queue a job. Its paths are on the server, in a folder of ``CINEMILL_INPUT_ROOTS``.

    A repeated ``Idempotency-Key`` returns the same job.
    """
    job = state.jobs.create_job(
        wish.kind,
        owner=OWNER,
        params=wish.params,
        priority=wish.priority,
        idempotency_key=idempotency_key,
    )
    return job_document(job)


@router.post("/jobs/retry")
def retry_failed(state: StateDep, wish: RetryRequest | None = None) -> dict[str, int]:
    """Retry all failed jobs, or those of a kind or with an error code."""
    wish = wish or RetryRequest()
    return {"retried": state.jobs.retry_failed(kind=wish.kind, code=wish.code)}


@router.get("/jobs/{job_id}")
def read_job(job_id: str, state: StateDep) -> dict[str, Any]:
    """Return a job."""
    return job_document(state.jobs.get_job(job_id))


@router.get("/jobs/{job_id}/status")
def read_job_status(job_id: str, state: StateDep) -> dict[str, Any]:
    """Return a job with its steps, duration, time left and position in the queue."""
    return name_twice(state.jobs.get_job_status(job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: str, state: StateDep, wish: CancelRequest | None = None) -> dict[str, Any]:
    """Cancel a job: at once if it is queued, otherwise when its processes have ended."""
    return job_document(state.jobs.cancel_job(job_id, (wish or CancelRequest()).reason))


@router.post("/jobs/{job_id}/retry")
def retry_job(job_id: str, state: StateDep) -> dict[str, Any]:
    """Retry a failed or cancelled job from the step that failed."""
    return job_document(state.jobs.retry_job(job_id))


@router.delete("/jobs/{job_id}", status_code=204)
def delete_job(job_id: str, state: StateDep) -> Response:
    """Cancel a job if it is unfinished, and delete it. Its video is kept."""
    state.jobs.stop_and_delete(job_id)
    return Response(status_code=204)


@router.get("/dead")
def list_dead(state: StateDep, limit: PageLimit = 100) -> dict[str, Any]:
    """List dead letters: steps that failed for good, and messages that became no job, latest
    first."""
    return {
        "dead": [dead_document(dead) for dead in state.jobs.list_dead(limit)],
        "messages": read_dead_messages(state, limit),
    }


@router.post("/dead/{step_id}/redrive")
def redrive(step_id: str, state: StateDep) -> dict[str, Any]:
    """Retry the job of a dead step."""
    return job_document(state.jobs.redrive(step_id))


@router.get("/stats")
def read_stats(state: StateDep) -> dict[str, Any]:
    """Counts by status, type and queue; seconds by type; memory by kind of step; jobs that take
    suspiciously long; the workers' hardware encoders and which of them rest."""
    stuck = state.jobs.get_stuck_jobs(state.settings.stuck_hours)
    return {
        "queue": state.jobs.get_queue_stats(),
        "processing_times": state.jobs.get_processing_times(),
        "memory": state.jobs.get_memory(),
        "stuck": [job_document(job) for job in stuck],
        "hardware": [offer.to_json() for offer in state.jobs.list_hardware()],
    }
