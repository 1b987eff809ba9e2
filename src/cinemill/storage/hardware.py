"""Hardware encoders that workers announce, how often each failed, and the runs routed to them.

One row for each encoder of a node. It accepts work as long as its announcement is renewed; an
encoder that fails repeatedly is suspended, each time for longer (a circuit breaker), until a trial
on its node succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from cinemill.core.hardware import QUEUE_PREFIX, Offer

LIVE_SECONDS = 30.0
"""A node that has announced nothing for so long is gone; three announcements. So is one whose
announcement is that far ahead: the database's clock was set back, and a live node announces itself
again."""
MOST_FAILURES = 3
"""Failures in a row after which an encoder is suspended."""
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3600.0
FORGOTTEN_AFTER_SECONDS = 7 * 24 * 3600.0
ROUTED_AT_ONCE = 1000
"""Runs of each codec that one turn moves, in each direction; the next turn goes on."""


def announce(connection: Connection, node: str, encoders: Mapping[str, str]) -> None:
    """Record the node's encoders (name → codec), and that it is alive.

    Recorded failures stay: a restart does not repair hardware.
    """
    connection.execute(
        text(
            """
            DELETE FROM hardware_encoder WHERE (node, encoder) IN (
                SELECT node, encoder FROM hardware_encoder
                WHERE (node = :node AND encoder <> ALL(:encoders))
                   OR seen_at < calendar_time() - make_interval(secs => :forgotten)
                FOR UPDATE SKIP LOCKED)
            """
        ),
        {"node": node, "encoders": list(encoders), "forgotten": FORGOTTEN_AFTER_SECONDS},
    )
    connection.execute(
        text(
            """
            INSERT INTO hardware_encoder (node, encoder, codec)
            SELECT :node, * FROM unnest(CAST(:encoders AS text[]), CAST(:codecs AS text[]))
                AS found (encoder, codec) ORDER BY encoder
            ON CONFLICT (node, encoder)
            DO UPDATE SET seen_at = clock_timestamp(), codec = excluded.codec
            """
        ),
        {"node": node, "encoders": list(encoders), "codecs": list(encoders.values())},
    )


def withdraw(connection: Connection, node: str) -> None:
    """Withdraw the node's encoders until it announces itself again."""
    connection.execute(
        text("UPDATE hardware_encoder SET seen_at = seen_at - interval '1 day' WHERE node = :node"),
        {"node": node},
    )


def list_offers(connection: Connection) -> list[Offer]:
    """Return every encoder of a live node, by node and encoder."""
    rows = connection.execute(
        text(
            """
            SELECT node, encoder, codec, reason,
                   CASE WHEN rests_until IS NULL THEN NULL
                        -- Longer than its pause: the database's clock was set back meanwhile.
                        WHEN left_seconds BETWEEN 0 AND
                             1 + least(:longest, :first * power(2, least(rests - 1, 30)))
                        THEN left_seconds ELSE 0 END AS rests_seconds
            FROM hardware_encoder CROSS JOIN LATERAL (
                SELECT extract(epoch FROM rests_until - clock_timestamp())::float8) AS rest
                (left_seconds)
            WHERE abs(extract(epoch FROM seen_at - clock_timestamp())) < :live
            ORDER BY node, encoder
            """
        ),
        {
            "live": LIVE_SECONDS,
            "first": FIRST_PAUSE_SECONDS,
            "longest": LONGEST_PAUSE_SECONDS,
        },
    ).mappings()
    return [Offer(**row) for row in rows]


def record_success(connection: Connection, node: str, encoder: str) -> None:
    """Record that the encoder completed its work: its earlier failures no longer count."""
    connection.execute(
        text(
            """
            UPDATE hardware_encoder SET failures = 0, rests = 0, rests_until = NULL, reason = ''
            WHERE node = :node AND encoder = :encoder AND (failures > 0 OR rests > 0)
            """
        ),
        {"node": node, "encoder": encoder},
    )


def record_failure(connection: Connection, node: str, encoder: str, reason: str) -> bool:
    """Record that the encoder failed; return whether it is suspended for that."""
    failures = connection.execute(
        text(
            """
            UPDATE hardware_encoder SET failures = failures + 1, reason = :reason
            WHERE node = :node AND encoder = :encoder RETURNING failures
            """
        ),
        {"node": node, "encoder": encoder, "reason": reason},
    ).scalar()
    if failures is None or failures < MOST_FAILURES:
        return False
    suspend(connection, node, encoder, reason)
    return True


def suspend(connection: Connection, node: str, encoder: str, reason: str) -> None:
    """Suspend the encoder until a trial succeeds; the next trial is later each time."""
    connection.execute(
        text(
            """
            UPDATE hardware_encoder SET rests = rests + 1, reason = :reason,
                   rests_until = clock_timestamp() + make_interval(
                       secs => least(:longest, :first * power(2, least(rests, 30))))
            WHERE node = :node AND encoder = :encoder
            """
        ),
        {
            "node": node,
            "encoder": encoder,
            "reason": reason,
            "first": FIRST_PAUSE_SECONDS,
            "longest": LONGEST_PAUSE_SECONDS,
        },
    )


def resume(connection: Connection, node: str, encoder: str) -> None:
    """Resume after a successful trial; the first failure suspends the encoder again."""
    connection.execute(
        text(
            """
            UPDATE hardware_encoder SET rests_until = NULL, failures = :failures
            WHERE node = :node AND encoder = :encoder
            """
        ),
        {"node": node, "encoder": encoder, "failures": MOST_FAILURES - 1},
    )


# The codecs that are requested are found by a skip scan, and of each the runs that are in a wrong
# queue, on either side of the right one in the index: those that are where they belong are not
# read, however many wait. The order is that of the index, without which the planner may choose to
# read the table.
_ROUTE = """
WITH RECURSIVE requested AS (
    (SELECT hardware AS codec FROM run WHERE state = 'queued' AND hardware IS NOT NULL
     ORDER BY hardware LIMIT 1)
    UNION ALL
    SELECT (SELECT hardware FROM run WHERE state = 'queued' AND hardware > requested.codec
            ORDER BY hardware LIMIT 1)
    FROM requested WHERE requested.codec IS NOT NULL
), place AS MATERIALIZED (
    SELECT codec, :prefix || codec AS queue, codec IN (
        SELECT codec FROM hardware_encoder WHERE rests_until IS NULL
          AND abs(extract(epoch FROM seen_at - clock_timestamp())) < :live) AS is_offered
    FROM requested WHERE codec IS NOT NULL
), elsewhere AS (
    SELECT found.id FROM place CROSS JOIN LATERAL (
        (SELECT id FROM run WHERE state = 'queued' AND hardware = place.codec
           AND run.queue < place.queue AND published_at IS NULL
         ORDER BY run.queue LIMIT :limit)
        UNION ALL
        (SELECT id FROM run WHERE state = 'queued' AND hardware = place.codec
           AND run.queue > place.queue AND published_at IS NULL
         ORDER BY run.queue LIMIT :limit)) AS found
    WHERE place.is_offered
), stranded AS (
    SELECT found.id FROM place CROSS JOIN LATERAL (
        SELECT id FROM run WHERE state = 'queued' AND hardware = place.codec
          AND run.queue BETWEEN place.queue AND place.queue
        ORDER BY run.queue LIMIT :limit) AS found
    WHERE NOT place.is_offered
), sent AS (
    UPDATE run SET queue = :prefix || hardware WHERE id = ANY (ARRAY(
        SELECT id FROM run WHERE id = ANY (ARRAY(SELECT id FROM elsewhere))
          AND state = 'queued' AND published_at IS NULL FOR UPDATE SKIP LOCKED))
    RETURNING queue
), withdrawn AS (
    UPDATE run SET queue = step.queue, published_at = NULL FROM step
    WHERE step.id = run.step_id AND run.id = ANY (ARRAY(
        SELECT id FROM run WHERE id = ANY (ARRAY(SELECT id FROM stranded))
          AND state = 'queued' FOR UPDATE SKIP LOCKED))
    RETURNING run.queue
)
SELECT queue FROM sent UNION SELECT queue FROM withdrawn
"""


def route(connection: Connection) -> list[str]:
    """Move due runs that request hardware to the queue that offers it; return the queues.

    Where nobody offers it any more they go back into their own queue, also those that were
    published.

    A run that another transaction holds stays where it is: the planner never waits. This is decided
    again each time, so the death of a node strands nothing. A message that is still in the other
    queue is a copy, which the claim makes harmless.
    """
    values = {"live": LIVE_SECONDS, "prefix": QUEUE_PREFIX, "limit": ROUTED_AT_ONCE}
    return [row.queue for row in connection.execute(text(_ROUTE), values)]
