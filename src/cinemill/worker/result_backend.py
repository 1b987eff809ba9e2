"""Celery's result backend, which reads jobs: PostgreSQL is the source of truth for results too."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TaskRevokedError, TimeoutError
from celery.result import ResultSet, result_from_tuple
from kombu.utils.json import dumps, loads

from cinemill.core.documents import JsonObject
from cinemill.core.job import Job, JobState
from cinemill.errors import CinemillError
from cinemill.jobs.adoption.results import describe_children, name_job
from cinemill.storage.adoption.saved_groups import delete_group, read_group, save_group
from cinemill.storage.jobs import job_queries
from cinemill.storage.jobs.waiting.followers import list_children

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
        return self._read_metas([task_id])[task_id]

    def _read_metas(self, task_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        with self.app.context.database.begin() as connection:
            jobs = job_queries.get_jobs(connection, task_ids)
            done = [one.id for one in jobs.values() if one.state is JobState.COMPLETED]
            children = list_children(connection, done)
        return {
            task_id: self._describe(jobs[task_id], children.get(task_id, ()))
            if task_id in jobs
            else {"task_id": task_id, "status": states.PENDING, "result": None}
            for task_id in task_ids
        }

    def _describe(self, job: Job, children: Sequence[str]) -> dict[str, Any]:
        kind = self.app.context.catalog.jobs.get(job.kind)
        field = kind.result_field if kind is not None else None
        return describe_result(job, result_field=field, children=children)

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_message: Callable[[JsonObject], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        max_iterations: int | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the results of these jobs as they end, which ``join_native()`` asks for.

        Raises Celery's TimeoutError where ``timeout`` seconds have passed before.
        """
        left = list(dict.fromkeys(task_ids))
        ends_at = None if timeout is None else time.monotonic() + timeout
        for round_number in itertools.count(1):
            for task_id, meta in self._read_metas(left).items():
                if meta["status"] in states.READY_STATES:
                    left.remove(task_id)
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
            if not left or round_number == max_iterations:
                return
            if ends_at is not None and time.monotonic() >= ends_at:
                raise TimeoutError(f"{len(left)} jobs have not ended.")
            if on_interval is not None:
                on_interval()
            time.sleep(POLL_SECONDS if interval is None else min(interval, POLL_SECONDS))

    def _save_group(self, group_id: str, result: Any) -> Any:
        with self.app.context.database.begin() as connection:
            save_group(connection, group_id, result.as_tuple())
        return result

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        with self.app.context.database.begin() as connection:
            saved = read_group(connection, group_id)
        return None if saved is None else {"result": result_from_tuple(saved, self.app)}

    def _delete_group(self, group_id: str) -> None:
        with self.app.context.database.begin() as connection:
            delete_group(connection, group_id)

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


def describe_result(
    job: Job, *, result_field: str | None = None, children: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a job as Celery's result metadata; ``children`` are the jobs that follow it.

    With ``result_field`` only that member of the job's result is returned as the result.
    """
    return {
        "task_id": job.id,
        "status": STATES[job.state],
        "result": _result(job, result_field),
        "traceback": job.failure.log_tail if job.failure else None,
        "date_done": job.finished_at.isoformat() if job.finished_at else None,
        "children": describe_children(children),
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
