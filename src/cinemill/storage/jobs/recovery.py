"""Cancel, retry and redrive: what a person does to a job."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, text

from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, NotFound
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.channels import CANCEL_CHANNEL, notify
from cinemill.storage.jobs.job_queries import get_job, list_steps, lock_job
from cinemill.storage.jobs.ready_steps import queue_ready_steps

Retry = Callable[[Connection, str], Job]
"""Retries the job of this id, with whatever belongs to it. Raises NotFound, Conflict."""


def request_cancel(connection: Connection, job_id: str, reason: str) -> Job:
    """Record the request to cancel; cancel at once where nothing runs.

    Raises NotFound, Conflict.
    """
    job = lock_job(connection, job_id)
    if job.state.is_final:
        raise Conflict(
            f"Job {job_id} is already {job.state.value}.",
            code="job_ended",
            hint="It has already finished, so it cannot be cancelled.",
        )
    connection.execute(
        text(
            """
            UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                   cancel_reason = coalesce(cancel_reason, :reason), message = 'Cancelling'
            WHERE id = :id
            """
        ),
        {"id": job_id, "reason": reason},
    )
    if not runs.finish_cancel(connection, job_id):
        notify(connection, CANCEL_CHANNEL, job_id)
    return get_job(connection, job_id)


def retry(connection: Connection, job_id: str) -> Job:
    """Queue every step that did not succeed, with fresh attempts. Raises NotFound, Conflict."""
    job = lock_job(connection, job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict(
            f"Job {job_id} is {job.state.value}.",
            code="job_not_failed",
            hint="Only failed and cancelled jobs can be retried.",
        )
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
                   finished_at = NULL
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
                   announced = false, progress = 0, stage = '', queued_at = clock_timestamp(),
                   message = 'Waiting in the queue'
            WHERE id = :id
            """
        ),
        {"id": job_id},
    )
    queue_ready_steps(connection, job_id)
    return get_job(connection, job_id)


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
