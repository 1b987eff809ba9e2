"""Cancel, retry and redrive: what a person does to a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, JobCancelled, NotFound
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.channels import CANCEL_CHANNEL, ENDED_CHANNEL, notify
from cinemill.storage.jobs.job_queries import get_job, list_steps, lock_job
from cinemill.storage.jobs.ready_steps import queue_ready_steps

Retry = Callable[[Connection, str], Job]
"""Retries the job of this id, with whatever belongs to it. Raises NotFound, Conflict."""


@dataclass(frozen=True, slots=True)
class Child:
    """A job that another one submitted, as a cancel finds it."""

    id: str
    kind: str
    is_marked: bool
    """Whether it was marked just now as one to be cancelled."""
    is_left: bool
    """Whether it is not marked because another transaction holds it."""


def request_cancel(
    connection: Connection, job_id: str, reason: str, *, must_cancel_children: bool = True
) -> Job:
    """Record the request to cancel; cancel at once if nothing runs.

    ``must_cancel_children`` is whether the cancel must still be passed to children. The job is
    changed once: whoever changes a row twice in a transaction waits for what it refers to, here for
    whoever holds its video. Raises NotFound, Conflict.
    """
    job = lock_job(connection, job_id)
    if job.state.is_final:
        raise job_ended(job)
    is_over = runs.withdraw_work(connection, job_id)
    connection.execute(
        text(
            """
            UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                   cancel_reason = coalesce(cancel_reason, :reason),
                   must_cancel_children = :must, announced = announced AND NOT :over,
                   state = CASE WHEN :over THEN 'cancelled' ELSE state END,
                   stage = CASE WHEN :over THEN 'cancelled' ELSE stage END,
                   message = CASE WHEN :over THEN 'Cancelled' ELSE 'Cancelling' END,
                   failure = CASE WHEN :over THEN NULL ELSE failure END,
                   finished_at = CASE WHEN :over THEN clock_timestamp() ELSE finished_at END
            WHERE id = :id
            """
        ),
        {"id": job_id, "reason": reason, "must": must_cancel_children, "over": is_over},
    )
    notify(connection, ENDED_CHANNEL if is_over else CANCEL_CHANNEL, job_id)
    return get_job(connection, job_id)


def job_ended(job: Job) -> Conflict:
    """Return the error of a cancel that comes too late."""
    return Conflict(
        f"Job {job.id} is already {job.state.value}.",
        code="job_ended",
        hint="It has already finished, so it cannot be cancelled.",
    )


def mark_children(
    connection: Connection, parent_ids: Sequence[str], names: Sequence[str], reason: str
) -> list[Child]:
    """Mark the unfinished children of these jobs as to be cancelled; return all their children.

    Children are those that were submitted by one of ``parent_ids`` or whose id is in ``names``.
    Never waits for a lock. To be called in a transaction that has locked or cancelled the parents,
    so that no child is submitted meanwhile: see :func:`lock_parent`.
    """
    rows = connection.execute(
        text(
            """
            WITH child AS (
                SELECT id, kind, state IN ('pending', 'running') AND cancel_requested_at IS NULL
                       AS is_open
                FROM job WHERE parent_id = ANY(:parents) OR id = ANY(:names)
            ), taken AS (
                SELECT id FROM job WHERE id IN (SELECT id FROM child WHERE is_open)
                  AND state IN ('pending', 'running') AND cancel_requested_at IS NULL
                ORDER BY id FOR UPDATE SKIP LOCKED
            ), marked AS (
                UPDATE job SET cancel_requested_at = clock_timestamp(), cancel_reason = :reason,
                       message = 'Cancelling'
                WHERE id IN (SELECT id FROM taken)
                RETURNING id, pg_notify(:channel, id)
            )
            SELECT child.id, child.kind, marked.id IS NOT NULL AS is_marked,
                   child.is_open AND marked.id IS NULL AS is_left
            FROM child LEFT JOIN marked ON marked.id = child.id
            """
        ),
        {
            "parents": list(parent_ids),
            "names": list(names),
            "reason": reason,
            "channel": CANCEL_CHANNEL,
        },
    ).mappings()
    return [Child(**row) for row in rows]


def record_passed(connection: Connection, job_id: str, *, must_go_on: bool) -> None:
    """Record whether the job's cancel must still be passed to children that were locked."""
    connection.execute(
        text(
            """
            UPDATE job SET must_cancel_children = :must
            WHERE id = :id AND must_cancel_children <> :must
            """
        ),
        {"id": job_id, "must": must_go_on},
    )


def list_passing(connection: Connection, *, limit: int) -> list[str]:
    """Return jobs whose cancel has not reached all of their children, in any order."""
    rows = connection.execute(
        text("SELECT id FROM job WHERE must_cancel_children ORDER BY random() LIMIT :limit"),
        {"limit": limit},
    )
    return [row.id for row in rows]


def lock_parent(connection: Connection, job_id: str) -> None:
    """Keep a job from being cancelled until this transaction, which adds a child to it, ends.

    Either the cancel comes later and finds the child, or there is no child. Raises JobCancelled
    where the job was cancelled, has ended or is gone.
    """
    try:
        job = lock_job(connection, job_id)
    except NotFound as error:
        raise JobCancelled(f"Job {job_id} was deleted: it submits nothing more.") from error
    if job.cancel_requested or job.state.is_final:
        raise JobCancelled(job.cancel_reason or f"Job {job_id} has ended: it submits nothing more.")


def must_cancel_children(connection: Connection, job_id: str) -> bool:
    """Return whether the job's cancel must still be passed to children."""
    query = text("SELECT must_cancel_children FROM job WHERE id = :id")
    return bool(connection.execute(query, {"id": job_id}).scalar())


def lock_ended(connection: Connection, job_id: str) -> Job:
    """Return a job that has ended, locked. Raises NotFound; Conflict where it has not ended."""
    job = lock_job(connection, job_id)
    if not job.state.is_final:
        raise Conflict(
            f"Job {job_id} has not ended.",
            code="job_not_ended",
            hint="Cancel it first and wait until it has stopped, then delete it.",
        )
    return job


def retry(connection: Connection, job_id: str) -> Job:
    """Queue every step that did not succeed, with fresh attempts. Raises NotFound, Conflict.

    The percentage stays where it was: what is left of it is spread over what is to be done again.
    """
    require_retryable(lock_job(connection, job_id))
    if not list_steps(connection, job_id):
        raise Conflict(
            f"Job {job_id} was rejected before its first step.",
            code="job_never_began",
            hint="Correct the request and submit it again.",
        )
    connection.execute(
        text(
            """
            UPDATE step SET state = 'waiting', failures = 0, crashes = 0, failure = NULL,
                   finished_at = NULL, progress = 0, seconds = 0
            WHERE job_id = :id AND state IN ('dead', 'cancelled', 'queued', 'waiting')
            """
        ),
        {"id": job_id},
    )
    connection.execute(
        text(
            """
            UPDATE job SET state = 'pending', failure = NULL, result = NULL, finished_at = NULL,
                   started_at = NULL, cancel_requested_at = NULL, cancel_reason = NULL,
                   must_cancel_children = false, announced = false, stage = '',
                   expected_end = NULL, work_done = (
                       SELECT coalesce(sum(weight * step.progress), 0) FROM step
                       WHERE job_id = :id),
                   queued_at = clock_timestamp(), message = 'Waiting in the queue',
                   due_at = NULL, expires_at = NULL
            WHERE id = :id
            """
        ),
        {"id": job_id},
    )
    queue_ready_steps(connection, job_id)
    return get_job(connection, job_id)


def require_retryable(job: Job) -> None:
    """Check that a job has ended without having completed. Raises Conflict."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict(
            f"Job {job.id} is {job.state.value}.",
            code="job_not_failed",
            hint="Only failed and cancelled jobs can be retried.",
        )


def list_failed(connection: Connection, *, kind: str | None, code: str | None) -> list[str]:
    """Ids of the failed jobs of this kind and with this error code; None takes any."""
    rows = connection.execute(
        text(
            """
            SELECT id FROM job WHERE state = 'failed'
              AND EXISTS (SELECT FROM step WHERE step.job_id = job.id)
              AND (CAST(:kind AS text) IS NULL OR kind = :kind)
              AND (CAST(:code AS text) IS NULL OR failure ->> 'code' = :code)
            ORDER BY id
            """
        ),
        {"kind": kind, "code": code},
    )
    return [row.id for row in rows]


def redrive(connection: Connection, step_id: str, *, retry_one: Retry = retry) -> Job:
    """Retry the job of a dead step. Raises NotFound, Conflict."""
    row = connection.execute(
        text("SELECT job_id FROM dead WHERE step_id = :id"), {"id": step_id}
    ).first()
    if row is None:
        raise NotFound(
            f"There is no dead step {step_id}.",
            code="dead_step_not_found",
            hint="List the dead letters; it may have been redriven already.",
        )
    return retry_one(connection, row.job_id)
