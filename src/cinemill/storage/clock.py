"""The engine's clock as rows: seconds that only go forward, and a calendar that does not leap.

The relay advances both, by its own monotonic clock. The database's clock, which may be set in
either direction, is recorded for comparison only. In SQL, ``engine_seconds()`` is for durations and
``calendar_time()`` is for ages of days, by which something is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

TURNS_PER_SECOND = 1000
"""The sequence of turns runs at least so fast, so that places in it are places in time."""
LAG_SECONDS = 3.0
"""So far the stored clock may be behind the time that has passed, while a relay runs."""
DELAYED = "Waiting until it is due"
QUEUED = "Waiting in the queue"
RELEASED_AT_ONCE = 1000
"""Rows of delayed runs that one turn changes; the next turn follows at once."""


@dataclass(frozen=True, slots=True)
class StoredClock:
    """What the relay last noted."""

    seconds: float
    """That the engine's clock had run."""
    seen_at: float
    """What the database's clock showed then, in Unix seconds."""
    calendar: float
    """What could be relied on of it, in Unix seconds."""
    jumps: int
    """How often the database's clock was set, as far as relays noticed."""
    behind_since: float | None = None
    """Engine seconds since when the calendar has been behind the clock; None where it is not."""


@dataclass(frozen=True, slots=True)
class ClockLook:
    """One look at the database's clock and at what was noted before."""

    wall: float
    """The database's clock, in Unix seconds."""
    stored: StoredClock | None
    """None before the first relay of this database has run."""
    first_delay_ends: float | None
    """Engine seconds of the delayed run that is due next; None where no run is delayed."""


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The last time that the database's clock was set, as far as relays noticed."""

    jumps: int
    """Of all times."""
    seconds: float
    """How far it was set forward; negative where it was set back."""
    at: datetime
    """What the database's clock showed afterwards."""


def look(connection: Connection) -> ClockLook:
    """Read the database's clock and what was noted."""
    row = connection.execute(
        text(
            """
            SELECT extract(epoch FROM clock_timestamp())::float8 AS wall, seconds, jumps,
                   behind_since,
                   extract(epoch FROM seen_at)::float8 AS seen_at,
                   extract(epoch FROM calendar)::float8 AS calendar,
                   (SELECT delay_ends FROM run WHERE state = 'queued' AND delay_ends IS NOT NULL
                    ORDER BY delay_ends LIMIT 1) AS first_delay_ends
            FROM (SELECT) AS one LEFT JOIN engine_clock ON true
            """
        )
    ).one()
    stored = None
    if row.seconds is not None:
        stored = StoredClock(row.seconds, row.seen_at, row.calendar, row.jumps, row.behind_since)
    return ClockLook(row.wall, stored, row.first_delay_ends)


def save(
    connection: Connection,
    *,
    seconds: float,
    wall: float,
    calendar: float,
    jump_seconds: float,
    behind_since: float | None = None,
) -> None:
    """Note the time; a ``jump_seconds`` other than 0 is recorded as one more jump.

    ``behind_since`` is as in :class:`StoredClock`. Never waits: where another transaction holds the
    row, it is noted the next time. Only within the planner's lock: one relay at a time.
    """
    connection.execute(
        text(
            """
            WITH free AS (
                SELECT id FROM engine_clock FOR NO KEY UPDATE SKIP LOCKED
            ), noted AS (
                UPDATE engine_clock AS clock
                SET seconds = greatest(clock.seconds, :seconds), seen_at = to_timestamp(:wall),
                    calendar = to_timestamp(:calendar),
                    jumps = clock.jumps + CASE WHEN :jump <> 0 THEN 1 ELSE 0 END,
                    jump_seconds = coalesce(nullif(:jump, 0), clock.jump_seconds),
                    jumped_at = CASE WHEN :jump <> 0 THEN to_timestamp(:wall)
                                     ELSE clock.jumped_at END,
                    behind_since = CAST(:behind_since AS float8)
                WHERE id IN (SELECT id FROM free)
            )
            INSERT INTO engine_clock (id, seconds, seen_at, calendar, jumps, jump_seconds,
                                      jumped_at, behind_since)
            SELECT 1, :seconds, to_timestamp(:wall), to_timestamp(:calendar),
                   CASE WHEN :jump <> 0 THEN 1 ELSE 0 END, nullif(:jump, 0),
                   CASE WHEN :jump <> 0 THEN to_timestamp(:wall) END,
                   CAST(:behind_since AS float8)
            WHERE NOT EXISTS (SELECT FROM engine_clock)
            ON CONFLICT DO NOTHING
            """
        ),
        {
            "seconds": seconds,
            "wall": wall,
            "calendar": calendar,
            "jump": float(jump_seconds),
            "behind_since": behind_since,
        },
    )
    connection.execute(
        text("SELECT setval('run_turn_seq', :turn) FROM run_turn_seq WHERE last_value < :turn"),
        {"turn": max(1, int(seconds * TURNS_PER_SECOND))},
    )


def release_delayed(connection: Connection, seconds: float) -> int:
    """Begin delays that are new, end those that are over, and return how many runs that changed.

    A delay counts from the first turn that sees it: who wrote it need not know the time. A run that
    another transaction holds is left to the next turn. A job that was due says so no longer.
    """
    row = connection.execute(
        text(
            """
            WITH changed AS (UPDATE run SET
                delay_ends = CASE WHEN delay_ends = '-Infinity' AND delay_seconds > 0
                                  THEN :seconds + delay_seconds END,
                run_at = CASE WHEN delay_ends = '-Infinity' AND delay_seconds > 0 THEN run_at
                              ELSE clock_timestamp() END
            WHERE id = ANY (ARRAY(
                SELECT id FROM run
                WHERE state = 'queued' AND delay_ends IS NOT NULL AND delay_ends <= :seconds
                ORDER BY delay_ends LIMIT :limit FOR UPDATE SKIP LOCKED))
            RETURNING job_id, delay_ends
            ), noted AS (
                UPDATE job SET message = :queued WHERE id = ANY (ARRAY(
                    SELECT id FROM job
                    WHERE id = ANY (ARRAY(SELECT job_id FROM changed WHERE delay_ends IS NULL))
                      AND state = 'pending' AND message = :delayed
                    FOR NO KEY UPDATE SKIP LOCKED))
            )
            SELECT count(*) FROM changed
            """
        ),
        {
            "seconds": seconds,
            "limit": RELEASED_AT_ONCE,
            "queued": QUEUED,
            "delayed": DELAYED,
        },
    ).one()
    return int(row[0])


def next_delay_ends(connection: Connection) -> float | None:
    """Return when the first delayed run is due, in engine seconds; None where none is delayed."""
    query = text(
        """
        SELECT delay_ends FROM run WHERE state = 'queued' AND delay_ends IS NOT NULL
        ORDER BY delay_ends LIMIT 1
        """
    )
    found: float | None = connection.execute(query).scalar()
    return found


def read_calendar(connection: Connection) -> float:
    """Return the time by which ages are measured, in Unix seconds.

    It is the database's clock, but it follows a leap forward only slowly.
    """
    query = text("SELECT extract(epoch FROM calendar_time())::float8")
    return float(connection.execute(query).scalar_one())


def read_last_jump(connection: Connection) -> ClockJump | None:
    """Return the last time that the database's clock was set; None where it never was."""
    row = connection.execute(
        text(
            """
            SELECT jumps, jump_seconds AS seconds, jumped_at AS at FROM engine_clock
            WHERE jump_seconds IS NOT NULL AND jumped_at IS NOT NULL
            """
        )
    ).first()
    return None if row is None else ClockJump(row.jumps, row.seconds, row.at)
