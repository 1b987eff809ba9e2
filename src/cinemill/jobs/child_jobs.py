"""Jobs that submit others: what a person does to such a job is done to those too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from cinemill.core.job import Job
from cinemill.errors import Conflict, LockTimeout, NotFound, OutputInvalid
from cinemill.jobs.catalog import Catalog
from cinemill.storage.database import Connection, Database, limit_lock_wait
from cinemill.storage.jobs import job_queries, recovery

CHILD_LOCK_SECONDS = 0.1
"""How long each of many children is waited for where another transaction holds it."""


def list_children(catalog: Catalog, job: Job) -> Sequence[str]:
    """Return the ids of the jobs that it submits, whether they exist yet or not."""
    kind = catalog.jobs.get(job.kind)
    if kind is None or kind.name_children is None:
        return ()
    try:
        params = kind.read_stored_params(job.params)
    except OutputInvalid:  # a row may be older than its kind
        return ()
    return kind.name_children(job.id, params)


def cancel_children(database: Database, catalog: Catalog, job: Job, reason: str) -> None:
    """Cancel the children that have not ended; each is a job of its own, with its own lock.

    Raises LockTimeout, after all others were cancelled, where another transaction holds one: call
    it again.
    """
    locked: LockTimeout | None = None
    for child in list_children(catalog, job):
        try:
            with database.begin() as connection:
                limit_lock_wait(connection, CHILD_LOCK_SECONDS)
                recovery.request_cancel(connection, child, reason)
        except (NotFound, Conflict):
            continue  # it has ended, or was not submitted yet
        except LockTimeout as error:
            locked = error
    if locked is not None:
        raise locked


def retry(catalog: Catalog, connection: Connection, job_id: str) -> Job:
    """Retry a job and those of its children that did not complete, in the same transaction.

    Otherwise the job would find its children as they ended, and be done at once.

    Raises NotFound; Conflict where the job cannot be retried, or a child is still being stopped.
    """
    job = recovery.retry(connection, job_id)
    for child in list_children(catalog, job):
        with suppress(NotFound):  # not submitted yet, or deleted
            _retry_child(connection, child)
    return job


def _retry_child(connection: Connection, job_id: str) -> None:
    child = job_queries.lock_job(connection, job_id)
    if child.cancel_requested and not child.state.is_final:
        raise Conflict(
            f"Job {job_id}, which belongs to it, is still being stopped.",
            code="job_not_ended",
            hint="Retry it again in a moment.",
        )
    with suppress(Conflict):  # completed, under way, or refused for what was asked of it
        recovery.retry(connection, job_id)
