"""Optional steps that failed: their jobs go on without them, and their results say why."""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.core.job import ClaimedRun, Failure, RunState
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.channels import ENDED_CHANNEL
from cinemill.storage.jobs.ready_steps import queue_ready_steps
from cinemill.storage.json_columns import json_parameter

MISSING = "missing"
"""In the result of an optional step that failed: why there is none."""


def mark_missing(
    connection: Connection, run: ClaimedRun, ended_as: RunState, failure: Failure
) -> None:
    """End this attempt of an optional step, and let its job go on without it. Raises LeaseLost."""
    job = runs.lock_job_of_claim(connection, run)
    runs.end_run(connection, run, ended_as, failure)
    runs.count_try(connection, run.step_id, ended_as)
    if job.cancel_requested or job.state.is_final:
        runs.finish_cancel(connection, run.job_id)
    else:
        skip_step(connection, run.job_id, run.step_id, failure)


# As ``runs._END_STEP``, for a step without a result of its own. The job's row is changed where this
# was its last step, and then has that result.
_SKIP_STEP = """
WITH done AS (
    UPDATE step SET state = 'succeeded', result = :result, failure = NULL, progress = 1,
           finished_at = clock_timestamp()
    WHERE id = :id RETURNING step.id
), unblocked AS (
    UPDATE step SET deps_remaining = deps_remaining - 1
    WHERE id IN (SELECT step_id FROM step_dependency WHERE depends_on = (SELECT id FROM done))
)
UPDATE job SET state = 'completed', progress = 100, stage = 'done', message = 'Done',
       result = :result, failure = NULL, announced = false, finished_at = clock_timestamp()
FROM done WHERE job.id = :job_id AND NOT EXISTS
    (SELECT FROM step WHERE job_id = :job_id AND state <> 'succeeded' AND id <> done.id)
RETURNING pg_notify(:channel, :job_id)
"""


def skip_step(connection: Connection, job_id: str, step_id: str, failure: Failure) -> None:
    """Let a locked job go on without an optional step: its result says what is missing, and why."""
    missing = {key: value for key, value in failure.to_json().items() if key != "log_tail"}
    connection.execute(
        text(_SKIP_STEP).bindparams(json_parameter("result")),
        {
            "id": step_id,
            "job_id": job_id,
            "result": {MISSING: missing},
            "channel": ENDED_CHANNEL,
        },
    )
    queue_ready_steps(connection, job_id)
