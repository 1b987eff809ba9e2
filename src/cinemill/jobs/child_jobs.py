"""Jobs that submit others: what a person does to such a job is done to those too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from cinemill.core.job import Job, JobState
from cinemill.errors import (
    Conflict,
    DatabaseUnavailable,
    LockTimeout,
    NotFound,
    OutputInvalid,
)
from cinemill.jobs.catalog import Catalog
from cinemill.storage.database import Connection, Database, limit_lock_wait
from cinemill.storage.jobs import job_changes, job_queries, recovery, runs
from cinemill.storage.jobs.waiting import followers

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


def cancel(
    catalog: Catalog, connection: Connection, job_id: str, reason: str
) -> tuple[Job, list[str]]:
    """Mark a job and all jobs below it as to be cancelled, in one transaction.

    Returns the job, and the ids of those below that were marked: :func:`finish_cancels` cancels
    them at once, and the sweeper does where nobody else has. A child that another transaction holds
    is left to the sweeper too. Cancelling again passes the cancel on again.

    Of a job that failed, only the children that are still under way are cancelled. Raises NotFound;
    Conflict where the job has ended, and nothing below a failed one is left to cancel.
    """
    job = job_queries.lock_job(connection, job_id)
    if job.state.is_final:
        return job, _cancel_below_ended(catalog, connection, job, reason)
    marked, is_left = _mark_below(catalog, connection, job, job.cancel_reason or reason)
    job = recovery.request_cancel(connection, job_id, reason, must_cancel_children=is_left)
    return job, marked


def _cancel_below_ended(
    catalog: Catalog, connection: Connection, job: Job, reason: str
) -> list[str]:
    if job.state is JobState.COMPLETED:
        raise recovery.job_ended(job)
    marked = pass_cancel(catalog, connection, job, job.cancel_reason or reason)
    is_left = recovery.must_cancel_children(connection, job.id)
    if job.state is JobState.FAILED and not marked and not is_left:
        raise recovery.job_ended(job)
    return marked


def pass_cancel(catalog: Catalog, connection: Connection, job: Job, reason: str) -> list[str]:
    """Mark every unfinished job below this one, and return their ids; ``job`` must be locked.

    Never waits for a lock: where a child is locked, the sweeper goes on from the job's own row.
    """
    marked, is_left = _mark_below(catalog, connection, job, reason)
    recovery.record_passed(connection, job.id, must_go_on=is_left)
    return marked


def _mark_below(
    catalog: Catalog, connection: Connection, job: Job, reason: str
) -> tuple[list[str], bool]:
    """Mark every unfinished job below this one; return their ids, and whether one was locked."""
    parents, names = [job.id], list(list_children(catalog, job))
    seen, is_left = {job.id}, False
    marked: list[str] = []
    while parents or names:
        found = recovery.mark_children(connection, parents, names, reason)
        marked += [child.id for child in found if child.is_marked]
        is_left = is_left or any(child.is_left for child in found)
        below = [child for child in found if child.id not in seen]
        seen.update(child.id for child in below)
        parents = [child.id for child in below]
        names = [name for child in below for name in _name_below(catalog, connection, child)]
    return marked, is_left


def _name_below(catalog: Catalog, connection: Connection, child: recovery.Child) -> Sequence[str]:
    kind = catalog.jobs.get(child.kind)
    if kind is None or kind.name_children is None:
        return ()
    return list_children(catalog, job_queries.get_job(connection, child.id))


def go_on_cancelling(catalog: Catalog, connection: Connection, job_id: str) -> list[str]:
    """Pass a cancel on to children that it has not reached; return the ids of those marked now.

    Raises NotFound, LockTimeout.
    """
    job = job_queries.lock_job(connection, job_id)
    if not recovery.must_cancel_children(connection, job_id):
        return []  # retried by a person in the meantime, or passed on by another process
    return pass_cancel(catalog, connection, job, job.cancel_reason or "cancelled by the user")


def finish_cancel(connection: Connection, job_id: str) -> bool:
    """Cancel a marked job of which nothing runs; return whether it is. Raises NotFound."""
    job = job_queries.lock_job(connection, job_id)
    if not job.cancel_requested or job.state.is_final:
        return False
    return runs.finish_cancel(connection, job_id)


def finish_cancels(database: Database, marked: Sequence[str]) -> None:
    """Cancel marked jobs of which nothing runs; what cannot be now is left to the sweeper."""
    for job_id in marked:
        try:
            with database.begin() as connection:
                limit_lock_wait(connection, CHILD_LOCK_SECONDS)
                finish_cancel(connection, job_id)
        except (NotFound, LockTimeout):
            continue
        except DatabaseUnavailable:
            return  # whoever cancelled a thousand would wait for each


def delete(catalog: Catalog, connection: Connection, job_id: str) -> list[str]:
    """Delete a job that has ended, once what it submitted is to be cancelled with it.

    What a person retried of a cancelled job's children since goes on. Returns the ids of those
    marked to be cancelled. Raises NotFound; Conflict where it has not ended, or a child is locked.
    """
    job = recovery.lock_ended(connection, job_id)
    marked: list[str] = []
    if job.state is JobState.FAILED or recovery.must_cancel_children(connection, job_id):
        marked = pass_cancel(catalog, connection, job, job.cancel_reason or "deleted by the user")
        if recovery.must_cancel_children(connection, job_id):
            raise Conflict(
                f"Jobs that job {job_id} has submitted are still being cancelled.",
                code="job_not_ended",
                hint="Delete it again in a moment.",
            )
    job_changes.delete_job(connection, job_id)
    return marked


def retry(catalog: Catalog, connection: Connection, job_id: str) -> Job:
    """Retry a job and those of its children that did not complete, in the same transaction.

    Otherwise the job would find its children as they ended, and be done at once. What follows it
    and was cancelled with it waits for it again.

    Raises NotFound; Conflict where the job cannot be retried, or a child is still being stopped.
    """
    if followers.is_waiting(connection, job_id):
        return _wait_again(connection, job_id)
    job = recovery.retry(connection, job_id)
    for child in list_children(catalog, job):
        with suppress(NotFound):  # not submitted yet, or deleted
            _retry_child(connection, child)
    _let_followers_wait(connection, job_id)
    return job


def _wait_again(connection: Connection, job_id: str) -> Job:
    """Let a job wait again for those that it follows, and what follows it for itself."""
    recovery.require_retryable(job_queries.lock_job(connection, job_id))
    followers.wait_again(connection, job_id)
    _let_followers_wait(connection, job_id)
    return job_queries.get_job(connection, job_id)


def _let_followers_wait(connection: Connection, job_id: str) -> None:
    """Let all that follows a job, and was ended with it, wait again: a chain may be very long."""
    left = followers.list_ended_after(connection, job_id)
    while left:
        following = left.pop()
        followers.wait_again(connection, following)
        # What waits again by now, after another one, is not in this list.
        left += followers.list_ended_after(connection, following)


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
