"""Documents of a task, as the upload application has them: a contract, to the letter."""

from __future__ import annotations

from typing import Self

from cinemill.api.models.documents import Document
from cinemill.core.job import Job, JobState

_STATES = {
    JobState.PENDING: "PENDING",
    JobState.RUNNING: "PROGRESS",
    JobState.COMPLETED: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "FAILURE",
}


class TaskState(Document):
    """How far a task is."""

    state: str
    """PENDING, PROGRESS, SUCCESS or FAILURE."""
    status: str
    """A message for a person."""
    progress: int

    @classmethod
    def from_job(cls, job: Job) -> Self:
        is_done = job.state is JobState.COMPLETED
        return cls(
            state=_STATES[job.state],
            status=_status_message(job),
            # 100 means completed: 99.6 rounded up would make a script fetch a result that is not
            # there.
            progress=100 if is_done else min(99, int(job.progress)),
        )


class TaskResult(Document):
    """The result of a task; ``output_filename`` is empty until there is one."""

    status: str
    output_filename: str
    message: str

    @classmethod
    def from_job(cls, job: Job) -> Self:
        return cls(
            status=_STATES[job.state],
            output_filename=_output_filename(job),
            message=_status_message(job),
        )


def _status_message(job: Job) -> str:
    if job.failure is not None:
        return job.failure.message
    if job.state is JobState.CANCELLED:
        return f"Cancelled: {job.cancel_reason}" if job.cancel_reason else "Cancelled"
    return job.message


def _output_filename(job: Job) -> str:
    return str((job.result or {}).get("output_filename") or "")
