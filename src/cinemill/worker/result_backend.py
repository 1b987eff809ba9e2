"""Celery's result backend, which reads jobs: PostgreSQL is the source of truth for results too."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TaskRevokedError
from celery.result import ResultSet
from kombu.utils.json import dumps, loads

from cinemill.core.job import Job, JobState
from cinemill.errors import CinemillError, NotFound
from cinemill.jobs.adoption.results import name_job

POLL_SECONDS = 0.1

STATES = {
    JobState.PENDING: states.PENDING,
    JobState.RUNNING: "PROGRESS",
    JobState.COMPLETED: states.SUCCESS,
    JobState.FAILED: states.FAILURE,
    JobState.CANCELLED: states.REVOKED,
}


class JobFailed(CinemillError):
    """Raised by ``result.get()`` for a failed job; ``code`` is the job's error code."""

    code = "job_failed"


class JobBackend(BaseBackend):
    """Reads jobs, and stores nothing because the engine has stored them already."""

    subpolling_interval = POLL_SECONDS

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        try:
            job = self.app.context.service.get_job(task_id)
        except NotFound:
            return {"task_id": task_id, "status": states.PENDING, "result": None}
        kind = self.app.context.catalog.jobs.get(job.kind)
        return describe_result(job, result_field=kind.result_field if kind is not None else None)

    def wait_for(self, task_id: str, *args: Any, interval: float = 0.5, **kwargs: Any) -> Any:
        return super().wait_for(task_id, *args, interval=min(interval, POLL_SECONDS), **kwargs)

    def _store_result(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: Celery would store what its tasks return, and ours return nothing."""

    def apply_chord(self, header_result_args: Any, body: Any, **_: Any) -> None:
        """Create the job of a chord's body, which waits for those of its header.

        Called before the header is submitted.
        """
        ends = [result for one in header_result_args[1] for result in _list_results(one)]
        self.app.context.calls.submit_body(
            loads(dumps(body)),
            [end.id for end in ends],
            header_jobs=list(dict.fromkeys(_list_jobs(ends))),
        )

    def _forget(self, task_id: str) -> None:
        """Do nothing: the row stays until retention removes it."""

    def __reduce__(self, args: Any = (), kwargs: Any = None) -> Any:
        return functools.partial(JobBackend, self.app), ()


def _list_results(result: Any) -> Iterator[Any]:
    """Return the results of the tasks that end a signature: several where it ends with a group."""
    if isinstance(result, ResultSet):
        for one in result.results:
            yield from _list_results(one)
    else:
        yield result


def _list_jobs(ends: Iterable[Any]) -> Iterator[str]:
    """Return the ids of these results, and of all that come before them."""
    left, seen = list(ends), set()
    while left:
        result = left.pop(0)
        if id(result) in seen:
            continue
        seen.add(id(result))
        if isinstance(result, ResultSet):
            left += result.results
        else:
            yield result.id
        if result.parent is not None:
            left.append(result.parent)


def describe_result(job: Job, *, result_field: str | None = None) -> dict[str, Any]:
    """Return a job as Celery's result metadata.

    With ``result_field`` only that member of the job's result is returned as the result.
    """
    return {
        "task_id": job.id,
        "status": STATES[job.state],
        "result": _result(job, result_field),
        "traceback": job.failure.log_tail if job.failure else None,
        "date_done": job.finished_at.isoformat() if job.finished_at else None,
        "children": [],
    }


def _result(job: Job, result_field: str | None) -> Any:
    if job.state is JobState.COMPLETED:
        result = name_job(job)
        return result if result_field is None else result[result_field]
    if job.state is JobState.FAILED and job.failure is not None:
        return JobFailed(job.failure.message, code=job.failure.code, hint=job.failure.hint)
    if job.state is JobState.CANCELLED:
        return TaskRevokedError(job.cancel_reason or "cancelled")
    return {"progress": job.progress, "message": job.message}
