"""What the relay and the sweeper ask of the rows: what may go out, what was lost, what crashed.

All of it may run in several processes at once: rows are taken with SKIP LOCKED, and every change
names the state that it expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from cinemill.core.job import Failure, Job, RunState
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.job_queries import lock_job
from cinemill.storage.jobs.job_rows import listed_columns, read_job


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


@dataclass(frozen=True, slots=True)
class PlannerLock:
    """What the planner finds to do."""

    queues: tuple[str, ...]
    """With a run that is due and unpublished."""
    needs_hardware: bool
    """Whether a queued run requests hardware."""


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


def lock_planner(connection: Connection, key: int, names: Sequence[str]) -> PlannerLock | None:
    """Return what there is to plan in these queues, and lock planning until the transaction ends.

    Returns None where another process plans.
    """
    row = connection.execute(
        text(
            """
            SELECT pg_try_advisory_xact_lock(:key), ARRAY(
                SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE EXISTS (
                    SELECT FROM run WHERE queue = name AND state = 'queued'
                      AND published_at IS NULL AND delay_ends IS NULL)),
                EXISTS (SELECT FROM run WHERE state = 'queued' AND hardware IS NOT NULL)
            """
        ),
        {"key": key, "names": list(names)},
    ).one()
    return PlannerLock(tuple(row[1]), row[2]) if row[0] else None


def list_ready(
    connection: Connection,
    queue: str,
    *,
    per_owner: int,
    without: Sequence[str] = (),
    without_crowds: Sequence[str] = (),
) -> list[ReadyRun]:
    """Return each owner's first ``per_owner`` due runs, locked.

    None of the kinds ``without``, nor of crowds of the owners ``without_crowds``.

    Owners are found by a skip scan of the index, so that ten thousand rows of one owner cost no
    more than ten.
    """
    rows = connection.execute(
        text(
            """
            WITH RECURSIVE owners AS (
                (SELECT owner FROM run
                 WHERE queue = :queue AND state = 'queued' AND published_at IS NULL
                   AND delay_ends IS NULL ORDER BY owner LIMIT 1)
                UNION ALL
                SELECT (SELECT run.owner FROM run
                        WHERE queue = :queue AND state = 'queued' AND published_at IS NULL
                          AND delay_ends IS NULL AND run.owner > owners.owner
                        ORDER BY run.owner LIMIT 1)
                FROM owners WHERE owners.owner IS NOT NULL
            )
            SELECT due.* FROM owners CROSS JOIN LATERAL (
                SELECT id, owner, kind, queue, priority, is_crowd FROM run
                WHERE queue = :queue AND state = 'queued' AND published_at IS NULL
                  AND delay_ends IS NULL AND owner = owners.owner
                  AND kind <> ALL(:without) AND NOT (is_crowd AND owner = ANY(:full))
                ORDER BY priority DESC, turn LIMIT :per_owner FOR UPDATE SKIP LOCKED
            ) AS due WHERE owners.owner IS NOT NULL
            """
        ),
        {
            "queue": queue,
            "per_owner": per_owner,
            "without": list(without),
            "full": list(without_crowds),
        },
    ).mappings()
    return [ReadyRun(**row) for row in rows]


def list_loads(connection: Connection, queue: str) -> list[OwnerLoad]:
    """Return how many runs of this queue are published or running, by owner and priority."""
    rows = connection.execute(
        text(
            """
            SELECT owner, priority, count(*) FILTER (WHERE state = 'queued') AS published,
                   count(*) FILTER (WHERE state = 'running') AS running,
                   count(*) FILTER (WHERE state = 'queued' AND is_crowd) AS published_crowd
            FROM run WHERE queue = :queue
              AND (state = 'running' OR (state = 'queued' AND published_at IS NOT NULL))
            GROUP BY owner, priority
            """
        ),
        {"queue": queue},
    ).mappings()
    return [OwnerLoad(**row) for row in rows]


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
    """Return published runs that nobody has claimed for so long, on any queue."""
    rows = connection.execute(
        text(
            """
            SELECT id, owner, kind, queue, priority FROM run
            WHERE state = 'queued'
              AND published_at IS NOT NULL AND published_seconds <= engine_seconds() - :age
            ORDER BY priority DESC, published_at FOR UPDATE SKIP LOCKED
            """
        ),
        {"age": older_than_seconds},
    ).mappings()
    return [ReadyRun(**row) for row in rows]


def list_leases(connection: Connection) -> list[Lease]:
    """Return the leases of all runs under way, the oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT id AS run_id, token, lease_until AS until,
                   lease_until <= clock_timestamp() AS is_over
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
    connection: Connection, lease: Lease, failure: Failure, *, delay_seconds: float
) -> RunState | None:
    """Close a run whose lease ran out: queue the step again, or mark it dead.

    It is dead at its limit of crashes. Returns None where the run was renewed or closed in
    the meantime.
    """
    row = connection.execute(
        text("SELECT job_id, step_id FROM run WHERE id = :id"), {"id": lease.run_id}
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
    _after_crash(connection, job, row.step_id, failure, delay_seconds)
    return RunState.CRASHED


def _after_crash(
    connection: Connection, job: Job, step_id: str, failure: Failure, delay_seconds: float
) -> None:
    runs.count_try(connection, step_id, RunState.CRASHED)
    if job.cancel_requested or job.state.is_final:
        runs.finish_cancel(connection, job.id)
        return
    attempts = runs.get_step_attempts(connection, step_id)
    if attempts.crashes >= attempts.max_crashes:
        runs.kill_step(connection, job.id, step_id, failure)
    else:
        runs.requeue(connection, step_id, delay_seconds=delay_seconds)
        runs.set_message(connection, job.id, failure.message)


def list_cancelling(connection: Connection) -> list[str]:
    """Jobs that are to be cancelled and of which nothing runs any more."""
    rows = connection.execute(
        text(
            """
            SELECT id FROM job WHERE state IN ('pending', 'running')
              AND cancel_requested_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM run WHERE run.job_id = job.id AND run.state = 'running')
            """
        )
    )
    return [row.id for row in rows]


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

    Never waits for a lock: who holds the job's may want the runs that are locked here.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT {listed_columns()} FROM job
            WHERE id IN (SELECT job_id FROM run WHERE id = ANY(:ids))
              AND NOT announced AND state <> 'running' FOR UPDATE SKIP LOCKED
            """  # noqa: S608 - made of constants
        ),
        {"ids": list(run_ids)},
    ).mappings()
    return [read_job(row) for row in rows]


def mark_announced(connection: Connection, job_ids: Sequence[str]) -> None:
    connection.execute(
        text("UPDATE job SET announced = true WHERE id = ANY(:ids)"), {"ids": list(job_ids)}
    )
