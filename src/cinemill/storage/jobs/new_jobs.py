"""Rows of an accepted job: it, its steps and the first runs, written in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from cinemill.core.job import Failure, Job, StepSpec
from cinemill.errors import Conflict, NotFound
from cinemill.storage.clock import DELAYED, QUEUED
from cinemill.storage.ids import make_id
from cinemill.storage.jobs.channels import ENDED_CHANNEL, READY_CHANNEL, notify
from cinemill.storage.jobs.job_rows import read_job
from cinemill.storage.jobs.ready_steps import CROWD
from cinemill.storage.json_columns import json_parameter
from cinemill.storage.media.deletions import require_lasting

MOST_ATTEMPTS = 5
"""A deletion between the two statements of an attempt takes luck; one between all, intent."""


@dataclass(frozen=True, slots=True)
class NewStep:
    """A planned step with what the catalog says of its kind."""

    spec: StepSpec
    queue: str
    weight: float
    """Share of the job's progress, relative to its other steps."""
    max_failures: int
    """Dead at this many failed attempts."""
    max_crashes: int
    """Dead at this many crashed attempts."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a job; all None: it begins when it is its turn, however late."""

    delay_seconds: float | None = None
    """It begins so long after it was submitted, or later."""
    due_at: datetime | None = None
    """It begins then, or later."""
    expires_at: datetime | None = None
    """It is cancelled if it has not begun by then."""
    time_limit_seconds: float | None = None
    """It fails if one of its steps works longer."""


AT_ONCE = Timing()


@dataclass(frozen=True, slots=True)
class NewJob:
    id: str
    kind: str
    owner: str
    priority: int
    asset_id: str | None
    params: Mapping[str, Any]
    idempotency_key: str | None
    request_digest: str
    """Distinguishes a repeated request from another one under the same idempotency key."""
    parent_id: str | None = None
    """The job that submitted it."""
    filename: str = ""
    """What the user calls the video; empty where only its asset says so."""
    timing: Timing = AT_ONCE


def insert_job(connection: Connection, job: NewJob, steps: Sequence[NewStep]) -> tuple[Job, bool]:
    """Insert a job with its steps and first runs; return its row, and whether it is new.

    For the same id, or the same idempotency key of the same owner, the existing job is returned.
    Raises Conflict where that key was used for another request, or the asset is being deleted;
    NotFound where there is no such asset.
    """
    for _ in range(MOST_ATTEMPTS):
        inserted = _write_rows(connection, _INSERT_JOB, job, steps)
        if inserted is not None:
            return inserted, True
        # None where it has been deleted since: its key and its id are free again.
        if (same := _find_same(connection, job)) is not None:
            return same, False
        if job.asset_id is not None:
            require_lasting(connection, job.asset_id)
    raise Conflict(
        "The job with this idempotency key or ID is deleted and created again all the time.",
        code="idempotency_conflict",
        hint="Send the request again, or use a new key.",
    )


# One statement: a short job should not wait for five ways to the server and back.
_INSERT_JOB = """
INSERT INTO job (id, kind, owner, priority, asset_id, params, idempotency_key, request_digest,
                 parent_id, filename, due_at, expires_at,
                 time_limit_seconds, message)
SELECT :id, :kind, :owner, :priority, :asset_id, :params, :idempotency_key, :request_digest,
       :parent_id, :filename, :due_at, :expires_at, :time_limit_seconds, :message
WHERE NOT EXISTS (SELECT FROM asset WHERE id = :asset_id AND deletion_ends IS NOT NULL)
ON CONFLICT DO NOTHING RETURNING *
"""
# A job that has waited for another has its row already.
_BEGIN_JOB = """
UPDATE job SET priority = :priority, asset_id = :asset_id, params = :params,
       request_digest = :request_digest, due_at = :due_at, expires_at = :expires_at,
       time_limit_seconds = :time_limit_seconds, message = :message, announced = false
WHERE id = :id AND state = 'pending' RETURNING *
"""
_PLAN_JOB = """
WITH inserted AS (
    {job}
), planned AS (
    INSERT INTO step (id, job_id, position, name, kind, queue, hardware, state, params, weight,
                      deps_remaining, max_failures, max_crashes)
    SELECT plan.id, inserted.id, plan.position, plan.name, plan.kind, plan.queue, plan.hardware,
           CASE plan.deps_remaining WHEN 0 THEN 'queued' ELSE 'waiting' END, plan.params,
           plan.weight, plan.deps_remaining, plan.max_failures, plan.max_crashes
    FROM inserted CROSS JOIN jsonb_to_recordset(:steps) AS plan (
        id text, position int, name text, kind text, queue text, hardware text, params jsonb,
        weight float8, deps_remaining int, max_failures int, max_crashes int)
    RETURNING id, position, kind, queue, hardware, deps_remaining
), edges AS (
    INSERT INTO step_dependency (step_id, depends_on)
    SELECT edge.step_id, edge.depends_on
    FROM inserted CROSS JOIN jsonb_to_recordset(:edges) AS edge (step_id text, depends_on text)
), queued AS (
    INSERT INTO run (id, step_id, job_id, owner, kind, queue, hardware, priority, attempt,
                     is_crowd, turn, run_at, delay_seconds, delay_ends)
    SELECT make_id(), planned.id, inserted.id, inserted.owner, planned.kind,
           planned.queue, planned.hardware, inserted.priority, 1,
           planned.place > :no_crowd, nextval('run_turn_seq')
               + (1000 * :crowd_seconds * greatest(0, planned.place - :no_crowd))::bigint,
           clock_timestamp() + make_interval(secs => greatest(0, delay.seconds)),
           CASE WHEN delay.seconds > 0 THEN delay.seconds END,
           CASE WHEN delay.seconds > 0 THEN '-Infinity'::float8 END
    FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY position) AS place FROM planned
          WHERE deps_remaining = 0) AS planned CROSS JOIN inserted
    CROSS JOIN (SELECT coalesce(CAST(:delay_seconds AS float8), extract(epoch FROM
        CAST(:due_at AS timestamptz) - clock_timestamp())::float8, 0) AS seconds) AS delay
)
SELECT inserted.*, pg_notify(:channel, '') FROM inserted
"""


def begin_job(connection: Connection, job: NewJob, steps: Sequence[NewStep]) -> None:
    """Give the row of a job that has waited without steps its steps and first runs.

    Raises NotFound where there is no such asset.
    """
    _write_rows(connection, _BEGIN_JOB, job, steps)


def _write_rows(
    connection: Connection, statement: str, job: NewJob, steps: Sequence[NewStep]
) -> Job | None:
    """Write the job, its steps, and runs of those that can begin; None if no job was written."""
    ids = {step.spec.name: make_id() for step in steps}
    edges = [
        {"step_id": ids[step.spec.name], "depends_on": ids[name]}
        for step in steps
        for name in step.spec.after
    ]
    values = {
        **{name: getattr(job, name) for name in job.__slots__ if name != "timing"},
        **asdict(job.timing),
        "steps": [step_row(step, ids, position) for position, step in enumerate(steps)],
        "edges": edges,
        "message": DELAYED if job.timing.delay_seconds or job.timing.due_at else QUEUED,
        "channel": READY_CHANNEL,
        **CROWD,
    }
    whole = text(_PLAN_JOB.format(job=statement)).bindparams(
        *map(json_parameter, ("params", "steps", "edges"))
    )
    try:
        row = connection.execute(whole, values).mappings().first()
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(f"There is no asset {job.asset_id}.", code="asset_not_found") from error
    return None if row is None else read_job(row)


def _find_same(connection: Connection, job: NewJob) -> Job | None:
    """Return the job with this id, or else with this key; None where there is none any more.

    Raises Conflict where it was made by another request.
    """
    query = text(
        """
        SELECT * FROM job WHERE id = :id OR (owner = :owner AND idempotency_key = :key)
        ORDER BY id <> :id LIMIT 1
        """
    )
    values = {"id": job.id, "owner": job.owner, "key": job.idempotency_key}
    row = connection.execute(query, values).mappings().first()
    if row is None:
        return None
    if row["request_digest"] != job.request_digest:
        raise Conflict(
            "This idempotency key was used for a different request.",
            code="idempotency_conflict",
            hint="Use a new key for a new request.",
        )
    return read_job(row)


def step_row(step: NewStep, ids: Mapping[str, str], position: int) -> dict[str, object]:
    """Return a planned step as JSON for the statements that insert it; ``ids`` by name."""
    return {
        "id": ids[step.spec.name],
        "position": position,
        "name": step.spec.name,
        "kind": step.spec.kind,
        "queue": step.queue,
        "hardware": step.spec.hardware,
        "params": dict(step.spec.params),
        "weight": step.weight,
        "deps_remaining": len(step.spec.after),
        "max_failures": step.max_failures,
        "max_crashes": step.max_crashes,
    }


def insert_cancelled(
    connection: Connection, job_id: str, kind: str, owner: str, reason: str
) -> None:
    """Insert the row of a job that will never begin, unless the id is taken."""
    connection.execute(
        text(
            """
            INSERT INTO job (id, kind, owner, priority, state, cancel_reason, cancel_requested_at,
                             request_digest, stage, message, finished_at)
            VALUES (:id, :kind, :owner, 0, 'cancelled', :reason, clock_timestamp(), '',
                    'cancelled', 'Cancelled', clock_timestamp())
            ON CONFLICT DO NOTHING
            """
        ),
        {"id": job_id, "kind": kind, "owner": owner, "reason": reason},
    )
    notify(connection, ENDED_CHANNEL, job_id)


def insert_rejected(
    connection: Connection, job_id: str, kind: str, owner: str, failure: Failure
) -> None:
    """Insert the row of a request that ended before it began, unless the id is taken."""
    connection.execute(
        text(
            """
            INSERT INTO job (id, kind, owner, priority, state, failure, request_digest, stage,
                             message, finished_at)
            VALUES (:id, :kind, :owner, 0, 'failed', :failure, '', 'failed', :message,
                    clock_timestamp())
            ON CONFLICT DO NOTHING
            """
        ).bindparams(json_parameter("failure")),
        {
            "id": job_id,
            "kind": kind,
            "owner": owner,
            "failure": failure.to_json(),
            "message": failure.message,
        },
    )
    notify(connection, ENDED_CHANNEL, job_id)
