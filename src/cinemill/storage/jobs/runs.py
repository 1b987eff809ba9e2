"""The fenced ends of an attempt, and their effects on its step and its job.

Every statement that changes a run under way carries the claim's token and expects its state, which
is the fence: the process that closes a run for its lease changes the state, and until then its
worker may end it, however late. The job's lock is always taken first.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.documents import JsonObject
from cinemill.core.job import ClaimedRun, Failure, Job, JobState, RunState
from cinemill.errors import LeaseLost, NotFound, Postponed
from cinemill.storage.jobs.channels import ENDED_CHANNEL, READY_CHANNEL, notify
from cinemill.storage.jobs.job_queries import lock_job
from cinemill.storage.jobs.ready_steps import queue_ready_steps
from cinemill.storage.json_columns import json_parameter


@dataclass(frozen=True, slots=True)
class StepAttempts:
    failures: int
    crashes: int
    max_failures: int
    max_crashes: int


def get_step_attempts(connection: Connection, step_id: str) -> StepAttempts:
    """Return the step's failures and crashes so far, and its limits.

    Raises LeaseLost where the step was deleted with its job.
    """
    row = connection.execute(
        text("SELECT failures, crashes, max_failures, max_crashes FROM step WHERE id = :id"),
        {"id": step_id},
    ).first()
    if row is None:
        raise LeaseLost(f"Step {step_id} was deleted while it ran.")
    return StepAttempts(*row)


def find_evidence(connection: Connection, step_id: str) -> str:
    """Return what identifies how the step failed last; empty if it did not, or nothing does."""
    query = text(
        """
        SELECT coalesce(failure ->> 'evidence', '') FROM run
        WHERE step_id = :id AND state = 'failed' ORDER BY attempt DESC LIMIT 1
        """
    )
    return str(connection.execute(query, {"id": step_id}).scalar() or "")


def commit_success(connection: Connection, run: ClaimedRun, job: Job, result: JsonObject) -> None:
    """End the run well: store the step's result, unblock its children, end the job at the last.

    To be called last in the transaction that locked the job and wrote the step's effects. Raises
    LeaseLost, which must roll that transaction back.
    """
    unblocked, is_complete = _end_step(connection, run, result)
    is_over = job.cancel_requested or job.state.is_final
    if unblocked and not is_over:
        queue_ready_steps(connection, run.job_id)
    elif is_over and not is_complete:
        # Another step failed or a person cancelled: a child queued now would wait forever.
        finish_cancel(connection, run.job_id)


# One statement. The job's result is that of the step that ended last.
_END_STEP = """
WITH ended AS (
    UPDATE run SET state = 'succeeded', ended_at = clock_timestamp(), lease_until = NULL,
           peak_memory_bytes = :peak
    WHERE id = :id AND token = :token AND state = 'running'
    RETURNING step_id
), done AS (
    UPDATE step SET state = 'succeeded', result = :result, failure = NULL, progress = 1,
           seconds = :seconds, finished_at = clock_timestamp()
    FROM ended WHERE step.id = ended.step_id RETURNING step.id
), unblocked AS (
    UPDATE step SET deps_remaining = deps_remaining - 1
    WHERE id IN (SELECT step_id FROM step_dependency WHERE depends_on = (SELECT id FROM done))
    RETURNING id
), completed AS (
    UPDATE job SET state = 'completed', progress = 100, stage = 'done', message = 'Done',
           result = :result, failure = NULL, announced = false, finished_at = clock_timestamp()
    FROM done WHERE job.id = :job_id AND NOT EXISTS
        (SELECT FROM step WHERE job_id = :job_id AND state <> 'succeeded' AND id <> done.id)
    RETURNING pg_notify(:channel, :job_id)
)
SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM unblocked),
       (SELECT count(*) FROM completed)
"""


def _end_step(connection: Connection, run: ClaimedRun, result: JsonObject) -> tuple[int, bool]:
    """Record that the run and its step succeeded.

    Returns how many children wait for one step less, and whether the job is complete with it.
    """
    row = connection.execute(
        text(_END_STEP).bindparams(json_parameter("result")),
        {
            "id": run.id,
            "token": run.token,
            "job_id": run.job_id,
            "result": dict(result),
            "channel": ENDED_CHANNEL,
            "peak": run.peak_memory_bytes,
            "seconds": run.seconds,
        },
    ).one()
    if not row[0]:
        raise _lease_lost(run)
    return int(row[1]), bool(row[2])


def was_committed(connection: Connection, run: ClaimedRun) -> bool:
    """Check whether a commit whose response was lost with the connection took effect."""
    row = connection.execute(
        text(
            """
            SELECT 1 FROM run WHERE id = :id AND token = :token
              AND state NOT IN ('running', 'crashed')
            """
        ),
        {"id": run.id, "token": run.token},
    ).first()
    return row is not None


def retry_later(
    connection: Connection,
    run: ClaimedRun,
    ended_as: RunState,
    failure: Failure,
    *,
    delay_seconds: float,
    evidence: str = "",
) -> None:
    """End this attempt and queue another after ``delay_seconds``. Raises LeaseLost.

    ``evidence`` identifies how it failed, if another attempt is likely to end alike.
    """
    job = lock_job_of_claim(connection, run)
    end_run(connection, run, ended_as, failure, evidence)
    count_try(connection, run.step_id, ended_as)
    if job.cancel_requested or job.state.is_final:
        finish_cancel(connection, run.job_id)
        return
    is_waiting = failure.code == Postponed.code
    requeue(
        connection,
        run.step_id,
        delay_seconds=delay_seconds,
        message=failure.message if is_waiting else say_again(failure),
        fraction_kept=1.0 if is_waiting else 0.0,
    )


def mark_dead(
    connection: Connection, run: ClaimedRun, ended_as: RunState, failure: Failure
) -> None:
    """End this attempt and the step with it: dead, and the job failed. Raises LeaseLost."""
    lock_job_of_claim(connection, run)
    end_run(connection, run, ended_as, failure)
    count_try(connection, run.step_id, ended_as)
    kill_step(connection, run.job_id, run.step_id, failure)


def confirm_cancel(connection: Connection, run: ClaimedRun) -> None:
    """End this attempt because its job is cancelled. Raises LeaseLost."""
    job = lock_job_of_claim(connection, run)
    end_run(connection, run, RunState.CANCELLED, None)
    if job.cancel_requested or job.state.is_final:
        finish_cancel(connection, run.job_id)
    else:  # retried by a person in the meantime: the step is wanted after all
        requeue(connection, run.step_id, delay_seconds=0)


def lock_job_of_claim(connection: Connection, run: ClaimedRun) -> Job:
    """Return the claimed run's job, locked. Raises LeaseLost where it was deleted."""
    try:
        return lock_job(connection, run.job_id)
    except NotFound as error:
        raise LeaseLost(f"Job {run.job_id} was deleted while it ran.") from error


def end_run(
    connection: Connection,
    run: ClaimedRun,
    state: RunState,
    failure: Failure | None,
    evidence: str = "",
) -> None:
    """Record how a claimed run ended. Raises LeaseLost."""
    noted = {"evidence": evidence} if evidence else {}
    ended = connection.execute(
        text(
            """
            UPDATE run SET state = :state, failure = :failure, ended_at = clock_timestamp(),
                   lease_until = NULL, peak_memory_bytes = :peak
            WHERE id = :id AND token = :token AND state = 'running'
            """
        ).bindparams(json_parameter("failure")),
        {
            "id": run.id,
            "token": run.token,
            "state": state.value,
            "failure": failure.to_json() | noted if failure else None,
            "peak": run.peak_memory_bytes,
        },
    ).rowcount
    if not ended:
        raise _lease_lost(run)


def _lease_lost(run: ClaimedRun) -> LeaseLost:
    return LeaseLost(f"Run {run.id} was closed by another before its end was recorded.")


def count_try(connection: Connection, step_id: str, ended_as: RunState) -> None:
    """Failures and crashes are counted apart; work handed back counts as neither."""
    column = {
        RunState.FAILED: "failures",
        RunState.REJECTED: "failures",
        RunState.CRASHED: "crashes",
    }.get(ended_as)
    if column is not None:
        connection.execute(
            text(f"UPDATE step SET {column} = {column} + 1 WHERE id = :id"),  # noqa: S608
            {"id": step_id},
        )


# What is lost of the step is no longer part of the work that the job's progress stands for. The
# job's row is changed once: see ``recovery.request_cancel``.
_REQUEUE = """
WITH before AS (
    SELECT id, job_id, weight, progress, least(progress, :kept) AS kept, seconds FROM step
    WHERE id = :step_id
), again AS (
    UPDATE step SET state = 'queued', progress = before.kept,
           seconds = CASE WHEN before.kept > 0 THEN before.seconds + :delay ELSE 0 END
    FROM before WHERE step.id = before.id
    RETURNING step.id, step.job_id, step.kind, step.queue, step.hardware, step.attempts
), changed AS (
    UPDATE job SET message = coalesce(CAST(:message AS text), job.message),
           work_done = greatest(0, work_done - before.weight * (before.progress - before.kept)),
           expected_end = CASE WHEN :kept > 0 THEN expected_end END
    FROM before WHERE job.id = before.job_id
)
INSERT INTO run (id, step_id, job_id, owner, kind, queue, hardware, priority, attempt,
                 run_at, delay_seconds, delay_ends)
SELECT make_id(), again.id, job.id, job.owner, again.kind, again.queue,
       again.hardware, job.priority, again.attempts + 1,
       clock_timestamp() + make_interval(secs => greatest(0, :delay)), :delay,
       CASE WHEN :delay > 0 THEN '-Infinity'::float8 END
FROM again JOIN job ON job.id = again.job_id
"""


def requeue(
    connection: Connection,
    step_id: str,
    *,
    delay_seconds: float,
    message: str | None = None,
    fraction_kept: float = 0.0,
) -> None:
    """Queue a new run of the step, due after ``delay_seconds``.

    ``message`` becomes the job's, None leaves it. Of what the step has done, at most
    ``fraction_kept`` (0–1 of the whole step) is left done.
    """
    values = {
        "step_id": step_id,
        "delay": delay_seconds,
        "message": message,
        "kept": fraction_kept,
    }
    connection.execute(text(_REQUEUE), values)
    # Also where it is delayed: the relay counts the delay, from when it sees it.
    notify(connection, READY_CHANNEL, "")


def say_again(failure: Failure) -> str:
    """Return the job's message while it is retried."""
    return f"Retrying: {failure.message}"


def kill_step(connection: Connection, job_id: str, step_id: str, failure: Failure) -> None:
    """Mark the step dead, withdraw the job's other queued runs, and fail the job."""
    connection.execute(
        text(
            """
            UPDATE step SET state = 'dead', failure = :failure, finished_at = clock_timestamp()
            WHERE id = :id
            """
        ).bindparams(json_parameter("failure")),
        {"id": step_id, "failure": failure.to_json()},
    )
    cancel_queued(connection, job_id)
    end_job(connection, job_id, JobState.FAILED, failure)


def finish_cancel(connection: Connection, job_id: str) -> bool:
    """Cancel what is not running; once nothing runs, the job is cancelled. Whether it is."""
    if not withdraw_work(connection, job_id):
        return False
    end_job(connection, job_id, JobState.CANCELLED, None)
    return True


def withdraw_work(connection: Connection, job_id: str) -> bool:
    """Withdraw the job's queued runs, and cancel its steps if nothing runs; return if nothing does.

    The job itself is not changed.
    """
    cancel_queued(connection, job_id)
    running = connection.execute(
        text("SELECT 1 FROM run WHERE job_id = :id AND state = 'running' LIMIT 1"), {"id": job_id}
    ).first()
    if running is not None:
        return False
    connection.execute(
        text(
            """
            UPDATE step SET state = 'cancelled', finished_at = clock_timestamp()
            WHERE job_id = :id AND state IN ('waiting', 'queued', 'running')
            """
        ),
        {"id": job_id},
    )
    return True


def cancel_queued(connection: Connection, job_id: str) -> None:
    """Queued runs end as cancelled; their messages will find nothing to claim.

    Every step without a running attempt waits then, also one whose attempt has just ended: a retry
    must find it.
    """
    connection.execute(
        text(
            """
            WITH withdrawn AS (
                UPDATE run SET state = 'cancelled', ended_at = clock_timestamp()
                WHERE job_id = :id AND state = 'queued'
            )
            UPDATE step SET state = 'waiting'
            WHERE job_id = :id AND state IN ('queued', 'running') AND NOT EXISTS
                  (SELECT FROM run WHERE run.step_id = step.id AND run.state = 'running')
            """
        ),
        {"id": job_id},
    )


def end_job(connection: Connection, job_id: str, state: JobState, failure: Failure | None) -> None:
    """End a locked job that has not ended yet, whatever its steps are."""
    connection.execute(
        text(
            """
            UPDATE job SET state = :state, failure = :failure, announced = false,
                   finished_at = clock_timestamp(),
                   message = :message, stage = :state
            WHERE id = :id AND state IN ('pending', 'running')
            """
        ).bindparams(json_parameter("failure")),
        {
            "id": job_id,
            "state": state.value,
            "failure": failure.to_json() if failure else None,
            "message": failure.message if failure else "Cancelled",
        },
    )
    notify(connection, ENDED_CHANNEL, job_id)
