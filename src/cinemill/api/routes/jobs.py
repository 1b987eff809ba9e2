"""Jobs: create, list, read, cancel, retry, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.background import BackgroundTasks

from cinemill.api.http.bodies import TIMELINE_BYTES, BoundedRoute, body_at_most
from cinemill.api.models.jobs import (
    MAX_KEY_LENGTH,
    CancelRequest,
    CreateJobRequest,
    JobDetails,
    JobDocument,
    JobPage,
    JobStatus,
    RetryRequest,
    RetryResult,
    StepDocument,
    StepPage,
)
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    decode_position,
    encode_cursor,
    encode_position,
)
from cinemill.api.models.problems import CREATED, problems
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER, JobState
from cinemill.core.text.storable_text import Text
from cinemill.jobs.job_document import describe_step
from cinemill.storage.jobs import job_queries

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=BoundedRoute)


@router.get("", responses=problems(422))
def list_jobs(
    state: StateDep,
    statuses: Annotated[list[JobState] | None, Query(alias="status")] = None,
    states: Annotated[list[JobState] | None, Query(alias="state", include_in_schema=False)] = None,
    kind: Text | None = None,
    asset_id: Text | None = None,
    before: Annotated[Text | None, Query(description="List jobs older than this one.")] = None,
    id_prefix: Annotated[Text | None, Query(max_length=100)] = None,
    of_videos: bool = False,
    limit: PageLimit = 50,
    cursor: Cursor = None,
    list_items: Annotated[int | None, Query(ge=0)] = None,
) -> JobPage:
    """List jobs, newest first.

    Several ``status`` list jobs in any of them. ``id_prefix`` finds a job by the first characters
    of its id. ``of_videos`` leaves out jobs such as upkeep, downloads of models and searches.
    ``list_items`` limits the items of each list in ``params`` and ``result``: a timeline may have
    thousands of clips.
    """
    found = state.jobs.list_jobs(
        states=[*(statuses or ()), *(states or ())],
        kind=kind,
        owner=DEFAULT_OWNER,
        asset_id=asset_id,
        before=before,
        after=decode_position(cursor),
        id_prefix=id_prefix,
        of_videos=of_videos,
        limit=limit + 1,
    )
    page, has_more = cut_page(found, limit)
    documents = [JobDocument.from_job(job) for job in page]
    if list_items is not None:
        documents = [one.shorten_lists(list_items) for one in documents]
    following = encode_position(page[-1].queued_at, page[-1].id) if has_more else None
    return JobPage(jobs=documents, next=following)


@router.post("", status_code=201, responses=CREATED | problems(404, 409, 413, 422))
@body_at_most(TIMELINE_BYTES)
def create_job(
    request: CreateJobRequest,
    state: StateDep,
    response: Response,
    idempotency_key: Annotated[Text | None, Header(min_length=1, max_length=MAX_KEY_LENGTH)] = None,
) -> JobDocument:
    """Queue a job. Its paths are on the server, in a folder of ``CINEMILL_INPUT_ROOTS``.

    A repeated ``Idempotency-Key`` returns the same job.
    """
    job = state.jobs.create_job(
        request.kind,
        owner=DEFAULT_OWNER,
        params=request.params,
        priority=request.priority,
        idempotency_key=idempotency_key,
    )
    created = JobDocument.from_job(job)
    response.headers["Location"] = created.address
    return created


@router.post("/retry", responses=problems(413, 422))
def retry_failed(state: StateDep, request: RetryRequest | None = None) -> RetryResult:
    """Retry all failed jobs, or those of a kind or with an error code."""
    wanted = request or RetryRequest()
    return RetryResult(retried=state.jobs.retry_failed(kind=wanted.kind, code=wanted.code))


@router.get("/{job_id}", responses=problems(404))
def read_job(job_id: Text, state: StateDep) -> JobDetails:
    """Return a job."""
    return JobDetails.from_job(state.jobs.get_job(job_id))


@router.get("/{job_id}/status", responses=problems(404))
def read_job_status(job_id: Text, state: StateDep) -> JobStatus:
    """Return a job with its steps, duration, time left and position in the queue."""
    return JobStatus.from_description(state.jobs.get_job_status(job_id))


@router.get("/{job_id}/steps", responses=problems(404, 422))
def list_steps(
    job_id: Text, state: StateDep, limit: PageLimit = 100, cursor: Cursor = None
) -> StepPage:
    """List the steps of a job, in the order of its plan."""
    after = None if cursor is None else _read_position(cursor)
    with state.database.begin() as connection:
        job_queries.get_job(connection, job_id)
        found = job_queries.list_step_page(connection, job_id, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return StepPage(
        steps=[StepDocument.from_description(describe_step(step)) for _, step in page],
        next=encode_cursor(str(page[-1][0])) if has_more else None,
    )


def _read_position(cursor: str) -> int:
    (position,) = decode_cursor(cursor, 1)
    if not (position.isascii() and position.isdecimal() and len(position) < 10):
        raise CursorInvalid("This cursor does not belong to this list.")
    return int(position)


@router.post("/{job_id}/cancel", responses=problems(404, 409, 413, 422))
def cancel_job(job_id: Text, state: StateDep, request: CancelRequest | None = None) -> JobDocument:
    """Cancel a job: at once if it is queued, otherwise when its processes have ended."""
    reason = request.reason if request else ""
    return JobDocument.from_job(state.jobs.cancel_job(job_id, reason))


@router.post("/{job_id}/retry", responses=problems(404, 409))
def retry_job(job_id: Text, state: StateDep) -> JobDocument:
    """Retry a failed or cancelled job from the step that failed."""
    return JobDocument.from_job(state.jobs.retry_job(job_id))


@router.delete("/{job_id}", status_code=204, responses=problems(404, 409))
def delete_job(job_id: Text, state: StateDep, request: Request) -> Response:
    """Cancel a job if it is unfinished, and delete it. Its video is kept."""
    state.jobs.stop_and_delete(job_id)
    forget = BackgroundTasks()
    forget.add_task(request.app.state.events.forget, job_id)
    forget.add_task(request.app.state.results.forget, job_id)
    return Response(status_code=204, background=forget)
