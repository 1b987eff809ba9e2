"""Runs that wait: of steps whose dependencies are met, and of kinds that nobody installed knows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from cinemill.storage.jobs.channels import READY_CHANNEL

CROWD = {"no_crowd": 4, "crowd_seconds": 5.0}
"""The first steps of one kind that become ready at once in a job are queued like any others. Each
further one is queued as if it had become ready so many seconds after the one before: neither a
short job that arrives meanwhile nor the job's own step of another kind waits for all pieces of a
long video, nor the long video for all short ones."""


def queue_ready_steps(connection: Connection, job_id: str) -> int:
    """Give every waiting step without open dependencies a run, and notify. Returns how many."""
    row = connection.execute(
        text(
            """
            WITH ready AS (
                UPDATE step SET state = 'queued'
                WHERE job_id = :job_id AND state = 'waiting' AND deps_remaining = 0
                RETURNING id, position, kind, queue, hardware, attempts
            ), queued AS (
                INSERT INTO run (id, step_id, job_id, owner, kind, queue, hardware, priority,
                                 attempt, is_crowd, turn)
                SELECT gen_random_uuid()::text, ready.id, job.id, job.owner, ready.kind,
                       ready.queue, ready.hardware, job.priority, ready.attempts + 1,
                       ready.place > :no_crowd, nextval('run_turn_seq')
                           + (1000 * :crowd_seconds
                              * greatest(0, ready.place - :no_crowd))::bigint
                FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY position) AS place
                      FROM ready) AS ready JOIN job ON job.id = :job_id
                RETURNING id
            )
            SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify(:channel, '') END FROM queued
            """
        ),
        {"job_id": job_id, "channel": READY_CHANNEL, **CROWD},
    ).one()
    return int(row[0])


def list_unknown(
    connection: Connection, *, kinds: Sequence[str], queues: Sequence[str]
) -> list[tuple[str, str]]:
    """List due or published runs whose kind is none of these, or whose queue is none of these.

    Each is its id and its kind.
    """
    rows = connection.execute(
        text(
            """
            SELECT id, kind FROM run
            WHERE state = 'queued' AND (kind <> ALL(:kinds) OR queue <> ALL(:queues))
              AND (published_at IS NOT NULL OR delay_ends IS NULL)
            """
        ),
        {"kinds": list(kinds), "queues": list(queues)},
    )
    return [(row.id, row.kind) for row in rows]


def hold(
    connection: Connection, run_ids: Sequence[str], *, message: str, delay_seconds: float
) -> int:
    """Offer queued runs again after ``delay_seconds``, and say on their jobs what they wait for.

    Returns how many. Never waits for a lock: what another transaction holds is left as it is.
    """
    held = connection.execute(
        text(
            """
            WITH held AS (
                UPDATE run SET published_at = NULL,
                       run_at = clock_timestamp() + make_interval(secs => :delay),
                       delay_seconds = :delay, delay_ends = engine_seconds() + :delay
                WHERE id IN (SELECT id FROM run WHERE id = ANY(:ids) AND state = 'queued'
                             FOR UPDATE SKIP LOCKED)
                RETURNING job_id
            ), noted AS (
                UPDATE job SET message = :message, announced = false
                WHERE id IN (SELECT id FROM job WHERE id IN (SELECT job_id FROM held)
                             AND message <> :message AND state IN ('pending', 'running')
                             FOR NO KEY UPDATE SKIP LOCKED)
            )
            SELECT count(*) FROM held
            """
        ),
        {"ids": list(run_ids), "message": message, "delay": delay_seconds},
    )
    return int(held.scalar_one())


def move(connection: Connection, run_ids: Sequence[str], *, queue: str) -> int:
    """Move queued runs and their steps to another queue, due at once; return how many.

    Rows that another transaction holds are left as they are.
    """
    moved = connection.execute(
        text(
            """
            WITH moved AS (
                UPDATE run SET queue = :queue, published_at = NULL, delay_ends = NULL
                WHERE id IN (SELECT id FROM run WHERE id = ANY(:ids) AND state = 'queued'
                             FOR UPDATE SKIP LOCKED)
                RETURNING step_id
            ), kept AS (
                UPDATE step SET queue = :queue
                WHERE id IN (SELECT id FROM step WHERE id IN (SELECT step_id FROM moved)
                             FOR NO KEY UPDATE SKIP LOCKED)
            )
            SELECT count(*) FROM moved
            """
        ),
        {"ids": list(run_ids), "queue": queue},
    )
    return int(moved.scalar_one())
