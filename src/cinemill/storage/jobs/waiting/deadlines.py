"""Jobs with a time of their own: when they may begin, and until when they must have begun.

Both are times of the day that a person chose, and so are compared with the database's clock. A
delay, which is a length of time, is kept by the engine's clock instead: see ``storage.clock``.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.storage.jobs.channels import READY_CHANNEL

FREED_AT_ONCE = 500


def free_due(connection: Connection) -> int:
    """Let jobs begin whose time has come, and return how many.

    The engine's clock stands still while no relay runs: their delay alone would make them late by
    as much. Rows that another transaction holds are left to the next call.
    """
    row = connection.execute(
        text(
            """
            WITH due AS (
                SELECT id FROM job WHERE state = 'pending' AND due_at <= clock_timestamp()
                ORDER BY due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
            ), freed AS (
                UPDATE run SET delay_ends = NULL, run_at = clock_timestamp()
                -- Arrays, which are made once: else the planner may read the whole table.
                WHERE id = ANY (ARRAY(
                    SELECT id FROM run WHERE job_id = ANY (ARRAY(SELECT id FROM due))
                      AND state = 'queued' AND delay_ends IS NOT NULL
                    FOR NO KEY UPDATE SKIP LOCKED))
            ), noted AS (
                UPDATE job SET due_at = NULL, message = 'Waiting in the queue'
                WHERE id = ANY (ARRAY(SELECT id FROM due)) RETURNING id
            )
            SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify(:channel, '') END FROM noted
            """
        ),
        {"limit": FREED_AT_ONCE, "channel": READY_CHANNEL},
    ).one()
    return int(row[0])


def list_expired(connection: Connection, *, limit: int = FREED_AT_ONCE) -> list[str]:
    """Return jobs that have not begun by the time until which they were to: any of them."""
    rows = connection.execute(
        text(
            """
            SELECT id FROM job
            WHERE state = 'pending' AND expires_at <= clock_timestamp() AND started_at IS NULL
              AND cancel_requested_at IS NULL
            ORDER BY random() LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return [row.id for row in rows]
