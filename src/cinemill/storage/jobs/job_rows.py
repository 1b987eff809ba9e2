"""Rows of jobs and steps: written once when a job is accepted, read by everybody."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import (
    BindParameter,
    Connection,
    DateTime,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from cinemill.core.documents import quote
from cinemill.core.job import (
    DeadStep,
    Failure,
    Job,
    JobState,
    Step,
    StepSpec,
    StepState,
)
from cinemill.errors import LONGEST_MESSAGE, Conflict, NotFound
from cinemill.storage import tables

READY_CHANNEL = "cinemill_ready"
CANCEL_CHANNEL = "cinemill_cancel"
ENDED_CHANNEL = "cinemill_ended"
LARGEST_LISTED_BYTES = 16 * 1024
"""Of a document in a list, as text."""
LARGEST_STORED_BYTES = 16 * 1024
"""The same as it is stored, which is known without reading it; mostly it is compressed."""
CROWD = {"no_crowd": 4, "crowd_seconds": 5.0}
"""So many steps of a job that become ready at once stand in line as any other. Each further one
stands where it would if it had come so many seconds after the one before: a short job that comes
meanwhile does not wait for all of a long film, and neither does the film for all short ones."""


@dataclass(frozen=True, slots=True)
class NewStep:
    """A planned step with what the catalog says of its kind."""

    spec: StepSpec
    queue: str
    weight: float
    """Share of the job's progress, relative to its other steps."""
    max_failures: int
    """Dead at this many failed tries."""
    max_crashes: int
    """Dead at this many crashed tries."""


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
    """Tells a repeated request from another one under the same idempotency key."""


def insert_job(connection: Connection, job: NewJob, steps: Sequence[NewStep]) -> tuple[Job, bool]:
    """The job's row with its steps and first runs, and whether it is new.

    The same id, or the same idempotency key of the same owner, answers the job that is there.
    Raises Conflict where that key was used for another request, NotFound where there is no such
    asset.
    """
    inserted = _insert_rows(connection, job, steps)
    if inserted is None:
        return _find_same(connection, job), False
    return inserted, True


# One statement: a short job should not wait for five ways to the server and back.
_INSERT_JOB = """
WITH inserted AS (
    INSERT INTO job (id, kind, owner, priority, asset_id, params, idempotency_key, request_digest,
                     message)
    VALUES (:id, :kind, :owner, :priority, :asset_id, :params, :idempotency_key, :request_digest,
            'Waiting in the queue')
    ON CONFLICT DO NOTHING RETURNING *
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
                     is_crowd, turn_at)
    SELECT gen_random_uuid()::text, planned.id, inserted.id, inserted.owner, planned.kind,
           planned.queue, planned.hardware, inserted.priority, 1,
           planned.place > :no_crowd, clock_timestamp()
               + make_interval(secs => :crowd_seconds * greatest(0, planned.place - :no_crowd))
    FROM (SELECT *, row_number() OVER (ORDER BY position) AS place FROM planned
          WHERE deps_remaining = 0) AS planned CROSS JOIN inserted
)
SELECT inserted.*, pg_notify(:channel, '') FROM inserted
"""


def _insert_rows(connection: Connection, job: NewJob, steps: Sequence[NewStep]) -> Job | None:
    """The job, its steps, and runs of those that can begin; None where there is such a job."""
    ids = {step.spec.name: str(uuid4()) for step in steps}
    edges = [
        {"step_id": ids[step.spec.name], "depends_on": ids[name]}
        for step in steps
        for name in step.spec.after
    ]
    values = {
        **{name: getattr(job, name) for name in job.__slots__},
        "steps": [step_row(step, ids, position) for position, step in enumerate(steps)],
        "edges": edges,
        "channel": READY_CHANNEL,
        **CROWD,
    }
    statement = text(_INSERT_JOB).bindparams(*map(json_parameter, ("params", "steps", "edges")))
    try:
        row = connection.execute(statement, values).mappings().first()
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(f"There is no asset {job.asset_id}.", code="asset_not_found") from error
    return None if row is None else read_job(row)


def _find_same(connection: Connection, job: NewJob) -> Job:
    row = (
        connection.execute(
            text(
                """
                SELECT id, request_digest FROM job
                WHERE id = :id OR (owner = :owner AND idempotency_key = :key)
                """
            ),
            {"id": job.id, "owner": job.owner, "key": job.idempotency_key},
        )
        .mappings()
        .one()
    )
    if row["request_digest"] != job.request_digest:
        raise Conflict(
            "This idempotency key was used for a different request.",
            code="idempotency_conflict",
            way_on="Use a new key for a new request.",
        )
    return get_job(connection, row["id"])


def step_row(step: NewStep, ids: Mapping[str, str], position: int) -> dict[str, object]:
    """A planned step as JSON for the statements that insert it; ``ids`` by name."""
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


def insert_rejected(
    connection: Connection, job_id: str, kind: str, owner: str, failure: Failure
) -> None:
    """The row of a request that ended before it began; nothing where there is one of this id."""
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
    ring(connection, ENDED_CHANNEL, job_id)


def queue_ready_steps(connection: Connection, job_id: str) -> int:
    """Give every waiting step without open dependencies a run, and ring. Answers how many."""
    row = connection.execute(
        text(
            """
            WITH ready AS (
                UPDATE step SET state = 'queued'
                WHERE job_id = :job_id AND state = 'waiting' AND deps_remaining = 0
                RETURNING id, position, kind, queue, hardware, attempts
            ), queued AS (
                INSERT INTO run (id, step_id, job_id, owner, kind, queue, hardware, priority,
                                 attempt, is_crowd, turn_at)
                SELECT gen_random_uuid()::text, ready.id, job.id, job.owner, ready.kind,
                       ready.queue, ready.hardware, job.priority, ready.attempts + 1,
                       ready.place > :no_crowd, clock_timestamp()
                           + make_interval(secs => :crowd_seconds
                                                   * greatest(0, ready.place - :no_crowd))
                FROM (SELECT *, row_number() OVER (ORDER BY position) AS place FROM ready)
                     AS ready JOIN job ON job.id = :job_id
                RETURNING id
            )
            SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify(:channel, '') END FROM queued
            """
        ),
        {"job_id": job_id, "channel": READY_CHANNEL, **CROWD},
    ).one()
    return int(row[0])


def ring(connection: Connection, channel: str, payload: str) -> None:
    """Wake listeners once this transaction commits; a ring that nobody hears is no loss."""
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
    )


def get_job(connection: Connection, job_id: str) -> Job:
    """Raises NotFound."""
    row = connection.execute(select(tables.job).where(tables.job.c.id == job_id)).mappings().first()
    if row is None:
        raise job_not_found(job_id)
    return read_job(row)


def lock_job(connection: Connection, job_id: str) -> Job:
    """The job, locked until the transaction ends.

    Whatever changes a job's steps or runs takes this lock first, so that two of its runs that end
    together unblock their child once. Raises NotFound.
    """
    query = select(tables.job).where(tables.job.c.id == job_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise job_not_found(job_id)
    return read_job(row)


def list_jobs(
    connection: Connection,
    *,
    states: Sequence[JobState] = (),
    kind: str | None = None,
    owner: str | None = None,
    asset_id: str | None = None,
    older_than_seconds: float | None = None,
    before: str | None = None,
    id_prefix: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Newest first; ``before`` is the id of the last job of the page before.

    What is too large for a list is left out (``Job.clipped``): a page is bounded, whatever its
    rows are, and no row that cannot be read as it should be keeps the others from being listed.
    """
    column = tables.job.c
    query: Select[Any] = (
        select(literal_column(listed_columns()))
        .select_from(tables.job)
        .order_by(column.queued_at.desc(), column.id.desc())
    )
    if states:
        query = query.where(column.state.in_([state.value for state in states]))
    for name, value in (("kind", kind), ("owner", owner), ("asset_id", asset_id)):
        if value is not None:
            query = query.where(column[name] == value)
    if older_than_seconds is not None:
        now = func.clock_timestamp(type_=DateTime(timezone=True))
        query = query.where(column.queued_at < now - timedelta(seconds=older_than_seconds))
    if id_prefix is not None:
        query = query.where(column.id.startswith(id_prefix, autoescape=True))
    if before is not None:
        cursor = select(column.queued_at, column.id).where(column.id == before).scalar_subquery()
        query = query.where(tuple_(column.queued_at, column.id) < cursor)
    return [read_job(row) for row in connection.execute(query.limit(limit)).mappings()]


def assign_asset(connection: Connection, job_id: str, asset_id: str) -> None:
    """Note which asset a job that began with a path is about."""
    connection.execute(
        text("UPDATE job SET asset_id = :asset_id WHERE id = :id"),
        {"id": job_id, "asset_id": asset_id},
    )


def list_steps(connection: Connection, job_id: str) -> list[Step]:
    peak = select(func.max(tables.run.c.peak_memory_bytes)).where(
        tables.run.c.step_id == tables.step.c.id
    )
    query = (
        select(tables.step, peak.scalar_subquery().label("peak_memory_bytes"))
        .where(tables.step.c.job_id == job_id)
        .order_by(tables.step.c.position)
    )
    return [_read_step(row) for row in connection.execute(query).mappings()]


def list_dead(connection: Connection, *, limit: int = 100) -> list[DeadStep]:
    """The dead letters, latest first."""
    rows = connection.execute(
        text(
            f"""
            SELECT step_id, job_id, job_kind, step_name, owner, attempts, failures, crashes,
                   {_listed_failure()} AS failure, {_readable_time("died_at")} AS died_at
            FROM dead ORDER BY dead.died_at DESC LIMIT :limit
            """  # noqa: S608 - made of constants
        ),
        {"limit": limit},
    ).mappings()
    return [DeadStep(**{**row, "failure": read_failure(row["failure"] or {})}) for row in rows]


def delete_job(connection: Connection, job_id: str) -> bool:
    return connection.execute(delete(tables.job).where(tables.job.c.id == job_id)).rowcount == 1


def delete_old_jobs(connection: Connection, *, older_than_days: float) -> int:
    """Forget jobs that ended more than so many days ago; answers how many. One that another
    transaction holds stays until the next time."""
    return connection.execute(
        text(
            """
            DELETE FROM job WHERE id IN (
                SELECT id FROM job
                WHERE finished_at < clock_timestamp() - make_interval(secs => :age)
                FOR UPDATE SKIP LOCKED)
            """
        ),
        {"age": older_than_days * 86400},
    ).rowcount


def job_not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id}.", code="job_not_found")


def listed_columns() -> str:
    """What :func:`read_job` reads, in SQL, for many rows at once: documents that are too large are
    left out and named in ``clipped``, long texts cut, and times that no calendar has are missing.
    """
    columns = ("id", "kind", "owner", "state", "priority", "asset_id", "progress", "stage")
    texts = ("message", "cancel_reason", "worker")
    times = ("cancel_requested_at", "started_at", "finished_at")
    return ", ".join(
        (
            *(f"job.{name}" for name in columns),
            *(f"left(job.{name}, {LONGEST_MESSAGE}) AS {name}" for name in texts),
            *(f"{_readable(f'job.{name}')} AS {name}" for name in times),
            f"{_readable_time('job.queued_at')} AS queued_at",
            *(
                f"CASE WHEN {_is_large(f'job.{name}')} THEN '{{}}' ELSE job.{name} END AS {name}"
                for name in _DOCUMENTS
            ),
            f"{_listed_failure('job.')} AS failure",
            "array_remove(ARRAY["
            + ", ".join(f"CASE WHEN {_is_large(f'job.{n}')} THEN '{n}' END" for n in _DOCUMENTS)
            + "], NULL) AS clipped",
        )
    )


_DOCUMENTS = ("params", "result")


def _is_large(column: str) -> str:
    """Evaluated in this order, so that what is very large is not even read."""
    return (
        f"CASE WHEN pg_column_size({column}) > {LARGEST_STORED_BYTES} THEN true "
        f"ELSE coalesce(octet_length({column}::text), 0) > {LARGEST_LISTED_BYTES} END"
    )


def _listed_failure(table: str = "") -> str:
    column = f"{table}failure"
    members = ", ".join(
        f"'{name}', left({column} ->> '{name}', {LONGEST_MESSAGE})"
        for name in ("code", "message", "way_on")
    )
    members += f", 'log_tail', right({column} ->> 'log_tail', {LONGEST_MESSAGE})"
    return f"CASE WHEN {_is_large(column)} THEN jsonb_build_object({members}) ELSE {column} END"


def _readable(column: str) -> str:
    """PostgreSQL knows times without end and beyond the year 9999, Python none of them."""
    return f"CASE WHEN {column} < '9999-01-01' AND {column} > '0002-01-01' THEN {column} END"


def _readable_time(column: str) -> str:
    """Of one that is always there."""
    return f"coalesce({_readable(column)}, to_timestamp(0))"


def read_job(row: RowMapping) -> Job:
    """Never raises for what a row holds: one that another version wrote, or a hand, must not keep
    a list or a loop from all the others."""
    params, result = row["params"], row["result"]
    is_known = row["state"] in _JOB_STATES
    unreadable = (
        *(["params"] if not isinstance(params, dict) else []),
        *(["result"] if not isinstance(result, dict | None) else []),
    )
    return Job(
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        state=JobState(row["state"]) if is_known else JobState.FAILED,
        priority=row["priority"],
        asset_id=row["asset_id"],
        params=params if isinstance(params, dict) else {},
        progress=_read_percent(row["progress"]),
        stage=row["stage"],
        message=row["message"],
        result=result if isinstance(result, dict | None) else {},
        failure=read_failure(row["failure"]) if is_known else _unknown_state(row["state"]),
        cancel_reason=row["cancel_reason"],
        cancel_requested=row["cancel_requested_at"] is not None,
        celery_task_id=row["id"],
        worker=row["worker"],
        queued_at=row["queued_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        clipped=(*unreadable, *(row.get("clipped") or ())),
    )


_JOB_STATES = frozenset(state.value for state in JobState)
_STEP_STATES = frozenset(state.value for state in StepState)


def _read_percent(value: float) -> float:
    """NaN is a number to PostgreSQL, and none to JSON."""
    return min(100.0, max(0.0, value)) if math.isfinite(value) else 0.0


def _unknown_state(state: str) -> Failure:
    return Failure(
        code="state_unknown",
        message=f"This job is in a state that this version does not know: {quote(state)}.",
        way_on="Another version wrote it; look at it with that one.",
    )


def _read_step(row: RowMapping) -> Step:
    return Step(
        id=row["id"],
        job_id=row["job_id"],
        name=row["name"],
        kind=row["kind"],
        queue=row["queue"],
        state=StepState(row["state"]) if row["state"] in _STEP_STATES else StepState.DEAD,
        failures=row["failures"],
        crashes=row["crashes"],
        attempts=row["attempts"],
        result=row["result"],
        failure=read_failure(row["failure"]),
        peak_memory_bytes=row["peak_memory_bytes"],
    )


def read_failure(document: Any) -> Failure | None:
    """What can be read of it, whoever wrote it; None where there is none."""
    if document is None:
        return None
    known = document if isinstance(document, dict) else {}
    texts = {name: one for name, one in known.items() if isinstance(one, str)}
    return Failure(
        code=texts.get("code", "failure_unknown"),
        message=texts.get("message", "Nothing is known of why."),
        way_on=texts.get("way_on", ""),
        log_tail=texts.get("log_tail", ""),
        retryable=known.get("retryable") is not False,
    )


def json_parameter(name: str) -> BindParameter[Any]:
    """A bound parameter that travels as jsonb; None becomes NULL, not JSON's null."""
    return bindparam(name, type_=JSONB(none_as_null=True))
