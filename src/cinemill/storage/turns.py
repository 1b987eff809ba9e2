"""What a turn of the relay reads, and the few rows that it locks.

A turn publishes a handful of runs, however many wait. So it reads the first runs of as many owners
as it could need, from where the last turn stopped, and locks only those that it chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.storage.jobs.dispatch import OwnerLoad, ReadyRun

# Where a statement uses an index depends on these words: they are those of run_ready_idx and, with
# a kind, of run_ready_kind_idx.
_READY = "state = 'queued' AND published_at IS NULL AND delay_ends IS NULL"
_IN_LEVEL = f"queue = :queue AND priority = :priority AND {_READY}"
_AT_LEVEL = f"{_IN_LEVEL} AND id <> ALL(:passed)"


@dataclass(frozen=True, slots=True)
class PlannerLock:
    """What the planner finds to do before it looks for runs."""

    needs_hardware: bool
    """Whether a queued run requests hardware."""


def lock_planner(connection: Connection, key: int) -> PlannerLock | None:
    """Lock planning until the transaction ends; None where another process plans."""
    row = connection.execute(
        text(
            """
            SELECT pg_try_advisory_xact_lock(:key),
                EXISTS (SELECT FROM run WHERE state = 'queued' AND hardware IS NOT NULL)
            """
        ),
        {"key": key},
    ).one()
    return PlannerLock(row[1]) if row[0] else None


def list_levels(connection: Connection, names: Sequence[str]) -> dict[str, list[int]]:
    """Return the priorities of runs that are ready in these queues, the highest first.

    Queues without any are left out.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT queue, ARRAY(
                SELECT level FROM generate_series(10, 0, -1) AS level WHERE EXISTS (
                    SELECT FROM run WHERE run.queue = names.queue AND priority = level
                      AND {_READY})) AS levels
            FROM unnest(CAST(:names AS text[])) AS names (queue)
            WHERE EXISTS (SELECT FROM run WHERE run.queue = names.queue AND {_READY})
            """  # noqa: S608 - made of constants
        ),
        {"names": list(names)},
    )
    return {row.queue: list(row.levels) for row in rows}


@dataclass(frozen=True, slots=True)
class Search:
    """Where a turn looks for runs, and for how many."""

    queue: str
    priority: int
    after: str
    """The owner at whom the last turn stopped: it begins with the next, and comes to this one at
    the end."""
    owners: int
    """At most so many are looked at."""
    per_owner: int
    """At most so many of each, and as many of crowds."""
    passed: Sequence[str] = ()
    """Runs that another transaction holds, or that were chosen before."""
    without_kinds: Sequence[str] = ()
    """Of which none may start now."""


# Owners are found by a skip scan of the index, and each CTE is read only as far as needed: ten
# thousand rows of one owner cost no more than ten, and ten thousand owners neither.
_FIND = f"""
WITH RECURSIVE later AS (
    (SELECT owner, 1 AS place FROM run WHERE {_AT_LEVEL} AND owner > :after
     ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT following.owner, place + 1 FROM later CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL} AND run.owner > later.owner
        ORDER BY run.owner LIMIT 1) AS following
    WHERE place < :owners
), earlier AS (
    (SELECT owner, :owners + 1 AS place FROM run WHERE {_AT_LEVEL} AND owner <= :after
     ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT following.owner, place + 1 FROM earlier CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL} AND run.owner > earlier.owner
          AND run.owner <= :after ORDER BY run.owner LIMIT 1) AS following
    WHERE place < 2 * :owners
), in_line AS (
    (SELECT * FROM later UNION ALL SELECT * FROM earlier) LIMIT :owners
)
SELECT due.id, due.owner, due.kind, due.queue, due.priority, due.is_crowd
FROM in_line CROSS JOIN LATERAL (
    (SELECT run.* FROM run WHERE {_AT_LEVEL} AND run.owner = in_line.owner AND NOT is_crowd
     ORDER BY turn LIMIT :per_owner)
    UNION ALL
    (SELECT run.* FROM run WHERE {_AT_LEVEL} AND run.owner = in_line.owner AND is_crowd
     ORDER BY turn LIMIT :per_owner)
) AS due ORDER BY in_line.place, due.turn
"""  # noqa: S608 - made of constants


# As above, for each kind by itself and then together: of a kind of which none may start now, no row
# is read, however many wait. The bounds are rows, not equal kinds: for PostgreSQL does not know how
# rare a kind is, and would else look for its runs among all of them in the other index.
_NEXT_OWNER = "ORDER BY run.kind, run.owner LIMIT 1"
_OF_ONE = "(run.kind, run.owner, run.is_crowd) {than} (allowed.kind, in_line.owner, {crowd})"
_RUNS_OF_KINDS = f"""
    (SELECT found.* FROM allowed CROSS JOIN LATERAL (
        SELECT run.* FROM run WHERE {_AT_LEVEL} AND {_OF_ONE.replace("{than}", ">=")}
          AND {_OF_ONE.replace("{than}", "<=")}
        ORDER BY run.kind, run.owner, run.is_crowd, run.turn LIMIT :per_owner) AS found
     ORDER BY turn LIMIT :per_owner)
"""  # noqa: S608 - made of constants
_FIND_OF_KINDS = f"""
WITH RECURSIVE present AS (
    (SELECT kind FROM run WHERE {_IN_LEVEL} ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT following.kind FROM present CROSS JOIN LATERAL (
        SELECT run.kind FROM run WHERE {_IN_LEVEL} AND run.kind > present.kind
        ORDER BY run.kind LIMIT 1) AS following
), allowed AS MATERIALIZED (
    SELECT kind FROM present WHERE kind <> ALL(:without_kinds)
), later AS (
    SELECT allowed.kind, first.owner, 1 AS place FROM allowed CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL} AND run.kind <= allowed.kind
          AND (run.kind, run.owner) > (allowed.kind, :after) {_NEXT_OWNER}) AS first
    UNION ALL
    SELECT later.kind, following.owner, place + 1 FROM later CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL} AND run.kind <= later.kind
          AND (run.kind, run.owner) > (later.kind, later.owner) {_NEXT_OWNER}) AS following
    WHERE place < :owners
), earlier AS (
    SELECT allowed.kind, first.owner, 1 AS place FROM allowed CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL} AND run.kind >= allowed.kind
          AND (run.kind, run.owner) <= (allowed.kind, :after) {_NEXT_OWNER}) AS first
    UNION ALL
    SELECT earlier.kind, following.owner, place + 1 FROM earlier CROSS JOIN LATERAL (
        SELECT run.owner FROM run WHERE {_AT_LEVEL}
          AND (run.kind, run.owner) > (earlier.kind, earlier.owner)
          AND (run.kind, run.owner) <= (earlier.kind, :after) {_NEXT_OWNER}) AS following
    WHERE place < :owners
), in_line AS (
    SELECT owner, row_number() OVER (ORDER BY owner <= :after, owner) AS place
    FROM (SELECT owner FROM later UNION SELECT owner FROM earlier) AS found
    ORDER BY place LIMIT :owners
)
SELECT due.id, due.owner, due.kind, due.queue, due.priority, due.is_crowd
FROM in_line CROSS JOIN LATERAL (
    {_RUNS_OF_KINDS.replace("{crowd}", "false")}
    UNION ALL
    {_RUNS_OF_KINDS.replace("{crowd}", "true")}
) AS due ORDER BY in_line.place, due.turn
"""  # noqa: S608 - made of constants


def list_ready(connection: Connection, search: Search) -> list[ReadyRun]:
    """Return the first runs of each owner, in the owner's order; no row is locked."""
    values = {
        "queue": search.queue,
        "priority": search.priority,
        "after": search.after,
        "owners": search.owners,
        "per_owner": search.per_owner,
        "passed": list(search.passed),
    }
    statement = _FIND
    if search.without_kinds:
        statement = _FIND_OF_KINDS
        values["without_kinds"] = list(search.without_kinds)
    rows = connection.execute(text(statement), values).mappings()
    return [ReadyRun(**row) for row in rows]


def lock_ready(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Lock runs that are still to be published; return those that no other transaction holds."""
    rows = connection.execute(
        text(
            f"""
            SELECT id FROM run WHERE id = ANY(:ids) AND {_READY}
            FOR NO KEY UPDATE SKIP LOCKED
            """  # noqa: S608 - made of constants
        ),
        {"ids": list(run_ids)},
    )
    return {row.id for row in rows}


def list_loads(connection: Connection, queue: str) -> list[OwnerLoad]:
    """Return how many runs of this queue are published or running, by owner and priority."""
    rows = connection.execute(
        text(
            """
            SELECT owner, priority, count(*) FILTER (WHERE state = 'queued') AS published,
                   count(*) FILTER (WHERE state = 'running') AS running,
                   count(*) FILTER (WHERE state = 'queued' AND is_crowd) AS published_crowd
            FROM (
                SELECT owner, priority, state, is_crowd FROM run
                WHERE queue = :queue AND state = 'running'
                UNION ALL
                SELECT owner, priority, state, is_crowd FROM run
                WHERE queue = :queue AND state = 'queued' AND published_at IS NOT NULL
            ) AS held GROUP BY owner, priority
            """
        ),
        {"queue": queue},
    ).mappings()
    return [OwnerLoad(**row) for row in rows]
