"""What the relay and the sweeper ask of the rows: what may go out, what was lost, what crashed.

All of it may run in several processes at once: rows are taken with SKIP LOCKED, and every change
names the state that it expects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from cinemill.core.job import Failure, Job, RunState
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.job_queries import lock_job
from cinemill.storage.jobs.job_rows import listed_columns, read_job
from cinemill.storage.jobs.waiting import missing_steps

LOOKED_AT_ONCE = 2000
"""Runs that one look at all of them sees; the next look sees the next."""
CANCELLED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CancelPosition:
    """A place among the requests to cancel: when, and of which job."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ReadyRun:
    """A run that is due and not on its way yet."""

    id: str
    owner: str
    kind: str
    queue: str
    priority: int
    is_crowd: bool = False
    """One of many of its job."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A run under way, as one look at its row finds it."""

    run_id: str
    token: str
    until: datetime
    """By the database's clock. Each renewal changes it, whichever way that clock was set."""
    is_over: bool
    """Whether the database's clock has passed ``until``."""
    job_id: str


@dataclass(frozen=True, slots=True)
class OwnerLoad:
    """How much of a queue an owner holds at one priority."""

    owner: str
    priority: int
    published: int
    """On their way, not claimed."""
    running: int
    published_crowd: int = 0
    """Of the published, those of crowds."""


def stamp_published(connection: Connection, run_ids: Sequence[str]) -> None:
    connection.execute(
        text(
            """
            UPDATE run SET published_at = clock_timestamp(),
                   published_seconds = engine_seconds(), publish_count = publish_count + 1
            WHERE id = ANY(:ids) AND state = 'queued'
            """
        ),
        {"ids": list(run_ids)},
    )


def take_back(connection: Connection, run_ids: Sequence[str]) -> None:
    """Undo the stamp of runs whose message could not be sent.

    A run that another transaction holds keeps it, and is found as a lost message.
    """
    connection.execute(
        text(
            """
            UPDATE run SET published_at = NULL WHERE id IN (
                SELECT id FROM run WHERE id = ANY(:ids) AND state = 'queued'
                FOR UPDATE SKIP LOCKED)
            """
        ),
        {"ids": list(run_ids)},
    )


def postpone(connection: Connection, run_id: str, *, delay_seconds: float) -> None:
    """Not before so many seconds from now: its rate limit is used up."""
    connection.execute(
        text(
            """
            UPDATE run SET run_at = clock_timestamp() + make_interval(secs => :delay),
                   delay_seconds = :delay, delay_ends = engine_seconds() + :delay
            WHERE id = :id AND state = 'queued'
            """
        ),
        {"id": run_id, "delay": delay_seconds},
    )


def list_unclaimed(connection: Connection, *, older_than_seconds: float) -> list[ReadyRun]:
    """Return published runs that nobody has claimed for so long, on any queue; none is locked."""
    rows = connection.execute(
        text(
            """
            SELECT id, owner, kind, queue, priority FROM run
            WHERE state = 'queued'
              AND published_at IS NOT NULL AND published_seconds <= engine_seconds() - :age
            ORDER BY priority DESC, published_at LIMIT :limit
            """
        ),
        {"age": older_than_seconds, "limit": LOOKED_AT_ONCE},
    ).mappings()
    return [ReadyRun(**row) for row in rows]


def lock_unclaimed(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Lock published runs that nobody has claimed; return those that nobody else holds."""
    rows = connection.execute(
        text(
            """
            SELECT id FROM run WHERE id = ANY(:ids) AND state = 'queued'
              AND published_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED
            """
        ),
        {"ids": list(run_ids)},
    )
    return {row.id for row in rows}


def list_leases(connection: Connection) -> list[Lease]:
    """Return the leases of all runs under way, the oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT id AS run_id, token, lease_until AS until,
                   lease_until <= clock_timestamp() AS is_over, job_id
            FROM run WHERE state = 'running' ORDER BY lease_until
            """
        )
    ).mappings()
    return [Lease(**row) for row in rows]


def count_crashes(connection: Connection, run_id: str) -> int:
    """Return the crashed attempts so far at this run's step; 0 where the run is gone."""
    query = text("SELECT step.crashes FROM run JOIN step ON step.id = step_id WHERE run.id = :id")
    return int(connection.execute(query, {"id": run_id}).scalar() or 0)


def record_crash(
    connection: Connection,
    lease: Lease,
    failure: Failure,
    *,
    delay_seconds: float,
    optional_kinds: Collection[str] = (),
) -> RunState | None:
    """Close a run whose lease ran out: queue the step again, or mark it dead.

    It is dead at its limit of crashes; the job goes on without a step of ``optional_kinds``.
    Returns None where the run was renewed or closed in the meantime.
    """
    row = connection.execute(
        text("SELECT job_id, step_id, kind FROM run WHERE id = :id"), {"id": lease.run_id}
    ).first()
    if row is None:
        return None
    job = lock_job(connection, row.job_id)
    closed = connection.execute(
        text(
            """
            UPDATE run SET state = 'crashed', ended_at = clock_timestamp(), lease_until = NULL,
                   failure = jsonb_build_object('code', CAST(:code AS text),
                                                'message', CAST(:message AS text),
                                                'hint', CAST(:hint AS text), 'log_tail', '')
            WHERE id = :id AND state = 'running' AND token = :token AND lease_until = :until
            """
        ),
        {
            "id": lease.run_id,
            "token": lease.token,
            "until": lease.until,
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
        },
    ).rowcount
    if not closed:
        return None
    give_up = missing_steps.skip_step if row.kind in optional_kinds else runs.kill_step
    _after_crash(connection, job, row.step_id, failure, delay_seconds, give_up)
    return RunState.CRASHED


def _after_crash(
    connection: Connection,
    job: Job,
    step_id: str,
    failure: Failure,
    delay_seconds: float,
    give_up: Callable[[Connection, str, str, Failure], None],
) -> None:
    runs.count_try(connection, step_id, RunState.CRASHED)
    if job.cancel_requested or job.state.is_final:
        runs.finish_cancel(connection, job.id)
        return
    attempts = runs.get_step_attempts(connection, step_id)
    if attempts.crashes >= attempts.max_crashes:
        give_up(connection, job.id, step_id, failure)
    else:
        runs.requeue(
            connection, step_id, delay_seconds=delay_seconds, message=runs.say_again(failure)
        )


def list_cancelling(
    connection: Connection, *, after: CancelPosition | None = None, limit: int = CANCELLED_AT_ONCE
) -> tuple[list[str], CancelPosition | None]:
    """Return jobs that are to be cancelled and of which nothing runs any more.

    Of at most ``limit`` requests, the oldest first; with the position of the last, from where the
    next call goes on, or None where there are no more.
    """
    rows = connection.execute(
        text(
            """
            WITH requested AS MATERIALIZED (
                SELECT id, cancel_requested_at AS at FROM job
                WHERE state IN ('pending', 'running') AND cancel_requested_at IS NOT NULL
                  AND (CAST(:at AS timestamptz) IS NULL OR cancel_requested_at >= :at
                       AND (cancel_requested_at, id) > (:at, :id))
                ORDER BY cancel_requested_at, id LIMIT :limit)
            SELECT id, at, EXISTS (
                SELECT FROM run WHERE run.job_id = requested.id AND run.state = 'running') AS works
            FROM requested ORDER BY at, id
            """
        ),
        {"at": after and after.at, "id": after and after.id, "limit": limit},
    ).all()
    last = CancelPosition(rows[-1].at, rows[-1].id) if len(rows) == limit else None
    return [row.id for row in rows if not row.works], last


def list_unannounced(connection: Connection, *, limit: int) -> list[Job]:
    """Return jobs that wait or have ended and are not announced yet; the ended ones first.

    Locked: two relays announce different ones, and none is claimed before it is announced.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT {listed_columns()} FROM job WHERE NOT announced AND state <> 'running'
            ORDER BY job.finished_at LIMIT :limit FOR UPDATE SKIP LOCKED
            """  # noqa: S608 - made of constants
        ),
        {"limit": limit},
    ).mappings()
    return [read_job(row) for row in rows]


def list_unannounced_of(connection: Connection, run_ids: Sequence[str]) -> list[Job]:
    """Those of :func:`list_unannounced` that these runs belong to, locked as well.

    Never waits for a lock: who holds the job's may want the runs that are locked here. Each is
    looked up by its id, for while Redis is away a hundred thousand may be unannounced.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT job.* FROM (SELECT DISTINCT job_id FROM run WHERE id = ANY(:ids)) AS chosen
            CROSS JOIN LATERAL (
                SELECT {listed_columns()} FROM job WHERE id = chosen.job_id
                  AND NOT announced AND state <> 'running' FOR UPDATE SKIP LOCKED) AS job
            """  # noqa: S608 - made of constants
        ),
        {"ids": list(run_ids)},
    ).mappings()
    return [read_job(row) for row in rows]


def mark_announced(connection: Connection, job_ids: Sequence[str]) -> None:
    connection.execute(
        text("UPDATE job SET announced = true WHERE id = ANY(:ids)"), {"ids": list(job_ids)}
    )
