"""The results of jobs as Celery writes them, for clients that have nothing but its own backend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cinemill.core.job import Job, JobState
from cinemill.errors import NotFound
from cinemill.jobs.catalog import Catalog
from cinemill.storage.adoption.results import ResultCopies
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import job_queries
from cinemill.storage.jobs.waiting.followers import list_children

LARGEST_BYTES = 1024 * 1024
WRITTEN_AT_ONCE = 100
MOST_UNWRITTEN = 10_000
"""While their server is away; of more, the latest are written once it is back."""
STATES = {
    JobState.COMPLETED: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "REVOKED",
}


class ResultWriter:
    """Copies the results of jobs that have ended into Celery's result keys."""

    def __init__(self, copies: ResultCopies, catalog: Catalog) -> None:
        self._copies = copies
        self._catalog = catalog
        self._unwritten: dict[str, None] = {}
        """Ended jobs whose results could not be written, in their order."""

    def write(self, connection: Connection, job_ids: Sequence[str]) -> None:
        """Copy the results of these jobs.

        What cannot be written now is written by :meth:`write_again`.
        """
        documents: dict[str, str] = {}
        children = list_children(connection, job_ids)
        for job_id in job_ids:
            with suppress(NotFound):
                job = job_queries.get_job(connection, job_id)
                if job.state in STATES:
                    has_led_on = job.state is JobState.COMPLETED
                    following = children.get(job_id, ()) if has_led_on else ()
                    documents[job_id] = self._encode(job, following)
        if not documents or self._copies.put(documents):
            for job_id in job_ids:
                self._unwritten.pop(job_id, None)
            return
        self._unwritten.update(dict.fromkeys(documents))
        excess = max(0, len(self._unwritten) - MOST_UNWRITTEN)
        for job_id in list(self._unwritten)[:excess]:
            del self._unwritten[job_id]

    def write_again(self, database: Database) -> int:
        """Copy what could not be written before; return how much of it was.

        Raises DatabaseUnavailable.
        """
        count = len(self._unwritten)
        while self._unwritten:
            left = len(self._unwritten)
            with database.begin() as connection:
                self.write(connection, list(self._unwritten)[:WRITTEN_AT_ONCE])
            if len(self._unwritten) == left:
                break  # the server is still away
        return count - len(self._unwritten)

    def _encode(self, job: Job, children: Sequence[str]) -> str:
        kind = self._catalog.jobs.get(job.kind)
        field = kind.result_field if kind is not None else None
        document = json.dumps(describe_ended(job, result_field=field, children=children))
        if len(document) <= LARGEST_BYTES:
            return document
        # Whoever needs all of it asks the server, where it is.
        short = {"job_id": job.id, "asset_id": job.asset_id, "too_large": True}
        return json.dumps({**describe_ended(job, children=children), "result": short})


def describe_ended(
    job: Job, *, result_field: str | None = None, children: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the document that Celery's Redis backend stores for a task that has ended."""
    return {
        "status": STATES[job.state],
        "result": _describe_result(job, result_field),
        "traceback": job.failure.log_tail or None if job.failure else None,
        "children": describe_children(children),
        "date_done": job.finished_at.isoformat() if job.finished_at else None,
        "task_id": job.id,
    }


def describe_children(job_ids: Sequence[str]) -> list[Any]:
    """Return jobs as Celery writes the results that came of a task."""
    return [[[job_id, None], None] for job_id in job_ids]


def name_job(job: Job) -> dict[str, Any]:
    """Return the result of a job with the ids that every result has: ``job_id``, ``asset_id``."""
    return {"asset_id": job.asset_id, **(job.result or {}), "job_id": job.id}


def _describe_result(job: Job, result_field: str | None) -> Any:
    if job.state is JobState.COMPLETED:
        result = name_job(job)
        return result if result_field is None else result.get(result_field)
    if job.state is JobState.FAILED:
        message = job.failure.message if job.failure else "failed"
        return _describe_error("JobFailed", message, "cinemill.worker.result_backend")
    return _describe_error(
        "TaskRevokedError", job.cancel_reason or "cancelled", "celery.exceptions"
    )


def _describe_error(name: str, message: str, module: str) -> dict[str, Any]:
    return {"exc_type": name, "exc_message": [message], "exc_module": module}
