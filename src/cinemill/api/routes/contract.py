"""The upload application's endpoints, which scripts of others call: ``/upload`` and ``/task``.

Their paths, members and words are a contract and stay as they are.
"""

from __future__ import annotations

import sys
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.models.documents import Document, OpenObject, drop_version, make_link
from cinemill.api.models.problems import problems
from cinemill.api.models.tasks import TaskResult, TaskState
from cinemill.api.routes.logs import MOST_LINES, log_folder, read_lines
from cinemill.api.routes.uploads import REFUSALS, accept_upload, describe_form
from cinemill.api.state import StateDep
from cinemill.capabilities.ingest.stored_assets import delete_unused_asset
from cinemill.core.text.storable_text import Text

router = APIRouter(route_class=BoundedRoute)


class UploadAccepted(Document):
    """The response to an upload."""

    message: str
    task_id: str
    status: str
    filename: str


class Message(Document):
    """What was done."""

    message: str


class LogTail(Document):
    """Lines of the log files, oldest first."""

    folder: str
    lines: list[OpenObject]


@router.post("/upload", tags=["upload"], responses=REFUSALS, openapi_extra=describe_form())
@body_at_most(sys.maxsize)
async def upload_video(request: Request, state: StateDep) -> UploadAccepted:
    """Upload a video and queue its processing. A repeated ``Idempotency-Key`` returns the same job.

    Fields that come before the file are checked before the file is read.
    """
    job, filename = await accept_upload(request, state)
    return UploadAccepted(
        message="Upload complete; processing is queued.",
        task_id=job.id,
        status="PROCESSING",
        filename=filename,
    )


@router.get("/task/{task_id}", tags=["tasks"], responses=problems(404))
def read_task(task_id: Text, state: StateDep) -> TaskState:
    """Return a task's state (PENDING, PROGRESS, SUCCESS, FAILURE), message and progress."""
    return TaskState.from_job(state.jobs.get_job(task_id))


@router.get(
    "/task/{task_id}/result",
    tags=["tasks"],
    response_model=TaskResult,
    responses={
        202: {
            "model": TaskResult,
            "headers": {"Location": {"description": "The task.", "schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
def read_result(task_id: Text, state: StateDep) -> JSONResponse:
    """Return a task's result. 202 while it is running; a failed task returns its error."""
    job = state.jobs.get_job(task_id)
    result = TaskResult.from_job(job)
    if job.state.is_final:
        return JSONResponse(result.model_dump())
    headers = {"Location": drop_version(make_link(f"/task/{job.id}"))}
    return JSONResponse(result.model_dump(), status_code=202, headers=headers)


@router.post("/task/{task_id}/cleanup", tags=["tasks"], responses=problems(404, 409))
def clean_up(task_id: Text, state: StateDep) -> Message:
    """Cancel a task if it is unfinished, and delete it with its video and all derived files.

    A video that another task needs is kept.
    """
    asset_id = state.jobs.get_job(task_id).asset_id
    state.jobs.stop_and_delete(task_id)
    if asset_id is None or not delete_unused_asset(state.database, asset_id):
        return Message(message="The task was deleted.")
    return Message(message="The task, its video and all derived files were deleted.")


@router.get("/logs", tags=["operate"], responses=problems(422))
def read_log_tail(
    state: StateDep,
    lines: Annotated[int, Query(ge=1, le=MOST_LINES)] = 200,
    service: Text | None = None,
    level: Text | None = None,
) -> LogTail:
    """Return the last lines of the log files as JSON objects, oldest first."""
    folder = log_folder(state)
    found = read_lines(folder, service=service, level=level)
    return LogTail(folder=str(folder), lines=[one.entry for one in found[-lines:]])
