"""The upload application's doors beside ``POST /upload``: what people's scripts poll."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.state import AppState, StateDep
from cinemill.core.job import Job, JobState
from cinemill.storage.jobs.job_queries import list_jobs
from cinemill.storage.media.assets import delete_asset, lock_asset

router = APIRouter(prefix="/task/{task_id}", tags=["tasks"], route_class=BoundedRoute)

_STATES = {
    JobState.PENDING: "PENDING",
    JobState.RUNNING: "PROGRESS",
    JobState.COMPLETED: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "FAILURE",
}


class TaskState(BaseModel):
    """The response of the upload application's contract."""

    state: str
    status: str
    progress: int


class TaskResult(BaseModel):
    """The answer of the upload application; ``output_filename`` is empty until there is one."""

    status: str
    output_filename: str
    message: str


class Message(BaseModel):
    message: str


@router.get("")
def read_task(task_id: str, state: StateDep) -> TaskState:
    """Return a task's state (PENDING, PROGRESS, SUCCESS, FAILURE), message and progress."""
    job = state.jobs.get_job(task_id)
    is_done = job.state is JobState.COMPLETED
    return TaskState(
        state=_STATES[job.state],
        status=_status_message(job),
        # 100 is for what is done: 99.6 rounded up would tell a script to come for the result.
        progress=100 if is_done else min(99, int(job.progress)),
    )


@router.get("/result", response_model=TaskResult, responses={202: {"model": TaskResult}})
def read_result(task_id: str, state: StateDep) -> JSONResponse:
    """Return a task's result. 202 while it is running; a failed task returns its error."""
    job = state.jobs.get_job(task_id)
    result = TaskResult(
        status=_STATES[job.state],
        output_filename=_output_filename(job),
        message=_status_message(job),
    )
    return JSONResponse(result.model_dump(), status_code=200 if job.state.is_final else 202)


@router.post("/cleanup")
def clean_up(task_id: str, state: StateDep) -> Message:
    """Cancel a task if it is unfinished, and delete it with its video and all derived files,
    unless another task needs them."""
    asset_id = state.jobs.get_job(task_id).asset_id
    state.jobs.stop_and_delete(task_id)
    if asset_id is None or not _drop_asset(state, asset_id):
        return Message(message="The task was deleted.")
    return Message(message="The task, its video and all derived files were deleted.")


def _drop_asset(state: AppState, asset_id: str) -> bool:
    with state.database.begin() as connection:
        # Locked first: an upload of the same film waits here, or is seen in the list.
        is_there = lock_asset(connection, asset_id)
        if not is_there or list_jobs(connection, asset_id=asset_id, limit=1):
            return False
        return delete_asset(connection, asset_id)


def _status_message(job: Job) -> str:
    if job.failure is not None:
        return job.failure.message
    if job.state is JobState.CANCELLED:
        return f"Cancelled: {job.cancel_reason}" if job.cancel_reason else "Cancelled"
    return job.message


def _output_filename(job: Job) -> str:
    result: Any = job.result or {}
    return str(result.get("output_filename") or "")
