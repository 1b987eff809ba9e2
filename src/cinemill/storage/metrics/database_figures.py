"""Figures of PostgreSQL and of the rows in it, read in one transaction for metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from cinemill.core.hardware import Offer
from cinemill.storage.database import Database
from cinemill.storage.hardware import list_offers
from cinemill.storage.metrics.totals import Total, read_totals
from cinemill.storage.metrics.work_health import read_relay_silence

STATEMENT_SECONDS = 2.5
SHARE_OF_TIME = 0.02
"""Rows of ended jobs are many, and counting them takes longer the more there are: at most this
share of the time is spent on it."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The runs of one queue that have not ended."""

    queue: str
    waiting: int
    """Runs that could start now."""
    delayed: int
    """Runs whose time has not come, such as retries."""
    running: int
    oldest_seconds: float
    """How long the one that waits longest has waited; 0 if none does."""


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts of rows that stay after their work ended."""

    jobs: Mapping[tuple[str, str], int]
    """Ended jobs by kind and state."""
    verdicts: Mapping[str, int]
    """Analyses by verdict."""


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What PostgreSQL says about this database, of all its clients."""

    commits: int
    rollbacks: int
    deadlocks: int
    blocks_hit: int
    blocks_read: int
    active_seconds: float
    """Time spent on statements, of all connections together."""
    most_connections: int
    connections: Mapping[str, int]
    """By state, such as ``active`` and ``idle``."""


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """Everything that metrics need of PostgreSQL."""

    round_trip_seconds: float
    server: ServerFigures
    totals: Sequence[Total]
    active_jobs: Mapping[tuple[str, str], int]
    """Jobs that have not ended, by kind and state."""
    stored: StoredCounts
    queues: Sequence[QueueFigures]
    dead_steps: int
    dead_messages: int
    reviews: int
    """Analyses that wait for a person."""
    encoders: Sequence[Offer] = field(default_factory=tuple)
    relay_silent_seconds: float | None = None
    """None where no relay has ever run."""


_ACTIVE_JOBS = text(
    """
    SELECT kind, state, count(*) AS jobs FROM job WHERE state IN ('pending', 'running')
    GROUP BY kind, state
    """
)
_ENDED_JOBS = text(
    """
    SELECT kind, state, count(*) AS jobs FROM job
    WHERE state IN ('completed', 'failed', 'cancelled') GROUP BY kind, state
    """
)
_VERDICTS = text(
    "SELECT verdict, count(*) AS analyses FROM analyses WHERE verdict IS NOT NULL GROUP BY verdict"
)
_QUEUES = text(
    """
    SELECT queue,
           count(*) FILTER (WHERE state = 'queued' AND delay_ends IS NULL) AS waiting,
           count(*) FILTER (WHERE state = 'queued' AND delay_ends IS NOT NULL) AS delayed,
           count(*) FILTER (WHERE state = 'running') AS running,
           greatest(0, extract(epoch FROM now() - min(run_at) FILTER (
               WHERE state = 'queued' AND delay_ends IS NULL)))::float8 AS oldest_seconds
    FROM run WHERE state IN ('queued', 'running') GROUP BY queue
    """
)
_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM step WHERE state = 'dead') AS dead_steps,
           (SELECT count(*) FROM dead_message) AS dead_messages,
           (SELECT count(*) FROM analyses WHERE needs_review) AS reviews
    """
)
# Through JSON: PostgreSQL 13 has no active_time.
_SERVER = text(
    """
    SELECT xact_commit AS commits, xact_rollback AS rollbacks, deadlocks,
           blks_hit AS blocks_hit, blks_read AS blocks_read,
           coalesce((to_jsonb(own) ->> 'active_time')::float8, 0) / 1000 AS active_seconds,
           current_setting('max_connections')::int AS most_connections
    FROM pg_stat_database AS own WHERE datname = current_database()
    """
)
_CONNECTIONS = text(
    """
    SELECT coalesce(state, 'unknown') AS state, count(*) AS connections FROM pg_stat_activity
    WHERE datname = current_database() GROUP BY 1
    """
)


class DatabaseFigureReader:
    """Reads the figures on a connection of its own, however busy the routes are."""

    def __init__(self, url: str) -> None:
        """Open nothing yet."""
        self._database = Database(url, pool_size=1, application_name="api metrics")
        self._stored = StoredCounts({}, {})
        self._count_again_at = 0.0

    def read(self) -> DatabaseFigures:
        """Return the figures of one moment. Raises DatabaseUnavailable."""
        with self._database.begin() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            limit = {"ms": f"{STATEMENT_SECONDS * 1000:.0f}"}
            connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), limit)
            asked = time.perf_counter()
            connection.execute(text("SELECT 1"))
            round_trip_seconds = time.perf_counter() - asked
            counts = connection.execute(_COUNTS).mappings().one()
            return DatabaseFigures(
                round_trip_seconds=round_trip_seconds,
                server=_read_server(connection),
                totals=read_totals(connection),
                active_jobs=_read_jobs(connection, _ACTIVE_JOBS),
                stored=self._count_stored(connection),
                queues=[QueueFigures(**row) for row in connection.execute(_QUEUES).mappings()],
                encoders=list_offers(connection),
                relay_silent_seconds=read_relay_silence(connection),
                **counts,
            )

    def _count_stored(self, connection: Connection) -> StoredCounts:
        began = time.monotonic()
        if began >= self._count_again_at:
            verdicts = connection.execute(_VERDICTS)
            self._stored = StoredCounts(
                _read_jobs(connection, _ENDED_JOBS),
                {row.verdict: row.analyses for row in verdicts},
            )
            spent = time.monotonic() - began
            self._count_again_at = began + spent / SHARE_OF_TIME
        return self._stored

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


def _read_jobs(connection: Connection, query: Any) -> dict[tuple[str, str], int]:
    return {(row.kind, row.state): row.jobs for row in connection.execute(query)}


def _read_server(connection: Connection) -> ServerFigures:
    connections = {row.state: row.connections for row in connection.execute(_CONNECTIONS)}
    server = connection.execute(_SERVER).mappings().one()
    return ServerFigures(**server, connections=connections)
