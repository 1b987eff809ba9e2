"""What the engine needs of a session, whatever the server, the database or the role sets.

Operators set defaults with ``ALTER DATABASE``, ``ALTER ROLE`` and ``postgresql.conf``, and put
poolers in between. What correctness depends on is therefore set by each session itself
(``docs/adr/0040-sessions-and-poolers.md``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import psycopg

from cinemill.errors import DatabasePooled

LOCK_WAIT_SECONDS = 2.0
"""How long a statement waits for a row or table that another transaction has locked. Our own
transactions hold locks for milliseconds; longer means that one was left open."""
ANSWER_SECONDS = 75.0
"""After so long without an answer a connection is given up: longer than any statement may take.
The kernel finds a dead machine sooner; but where a proxy or a frozen server has taken the request
and stays silent, nothing else would ever wake a waiting thread."""
SETTINGS = {
    # Every query was written for READ COMMITTED: it sees what others have committed by now.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # A frozen process must not hold row locks forever, nor a connection hang for minutes.
    "idle_in_transaction_session_timeout": "15s",
    "statement_timeout": "60s",
    "lock_timeout": f"{LOCK_WAIT_SECONDS * 1000:.0f}ms",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # How values are written, and what a literal means.
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "jit": "off",
}
"""``search_path`` is not among them: it is how operators choose a schema, and where pgvector is."""
FORGETFUL = "off"
"""The ``synchronous_commit`` that is raised to 'on'. A commit that PostgreSQL forgets in a crash
would be an accepted job that is lost; what waits for more than its own disk, or for fewer of its
standbys, is the operator's choice."""
OF_NEWER_SERVERS = ("transaction_timeout", "idle_session_timeout")
"""Settings that PostgreSQL 13 to 16 do not all know."""
KEPT_SECONDS = 60.0
"""So long a pooler that was found in session mode is not examined again."""
PROBES = 10
"""On a busy pool, one in seven cannot tell transaction mode from session mode."""
PROBE_SECONDS = 5.0
STATEMENT_MODE = "statement pooling"
"""PgBouncer's words when a transaction begins in that mode; its SQLSTATE has other meanings too."""

Open = Callable[[], "BoundedConnection"]

_examined: dict[tuple[str, int, str, str], float] = {}
"""When poolers in session mode were examined, by host, port, database and user."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that does not wait forever."""

    answer_seconds: float | None = None
    """A limit of its own; None: ``ANSWER_SECONDS``."""
    begin_statement = ""
    """Of a pooled connection: how its transactions begin."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:  # one who waits for notifications knows for how long
            return super().wait(gen, interval, timeout)
        limit = self.answer_seconds or ANSWER_SECONDS
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout as error:
            self.close()
            raise psycopg.OperationalError(f"no response within {limit:g} seconds") from error


class PoolMode(StrEnum):
    """How long a pooler lends a connection to PostgreSQL."""

    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


def _write_settings() -> str:
    rows = ", ".join(f"('{name}', '{value}')" for name, value in SETTINGS.items())
    return (
        "(SELECT count(set_config(name, value, false))"  # noqa: S608 - of constants alone
        f" FROM (VALUES {rows}, ('synchronous_commit', 'on')) AS needed (name, value)"
        " WHERE current_setting(name, true) IS NOT NULL"
        f" AND (name != 'synchronous_commit' OR current_setting(name) = '{FORGETFUL}'))"
    )


_PID = "SELECT pg_backend_pid()"

BEGIN = "; ".join(
    [
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE",
        *(
            f"SET LOCAL {name} = '{value}'"
            for name, value in SETTINGS.items()
            if name not in OF_NEWER_SERVERS and not name.startswith("default_")
        ),
    ]
)
"""Begins a transaction on a pooled connection, in one round trip. SET, unlike ``set_config``, takes
no snapshot, so that a transaction may still choose another isolation level."""
BEGIN_DURABLE = f"{BEGIN}; SET LOCAL synchronous_commit = 'on'"
"""The same, where the server's default would lose commits in a crash."""


def open_session(open_connection: Open) -> BoundedConnection:
    """Open a connection that keeps its session, with the settings that the engine needs.

    Raises DatabasePooled where a pooler lends sessions for shorter; psycopg.Error.
    """
    connection = open_connection()
    try:
        connection.autocommit = True
        # A pooler gives its clients numbers of its own. Until its mode is known nothing is set:
        # other clients of the same pool would inherit it.
        settings = _write_settings()
        direct = f"pg_backend_pid() = {connection.info.backend_pid}"
        query = f"SELECT {direct}, CASE WHEN {direct} THEN {settings} END"
        is_direct, _ = _fetch_row(connection, query)
        if not is_direct:
            _require_session_mode(connection, open_connection)
            _fetch_row(connection, f"SELECT {settings}")
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def open_pooled(open_connection: Open) -> BoundedConnection:
    """Open a connection of which nothing outlives a transaction.

    It is in autocommit mode: transactions begin with its ``begin_statement``. Raises DatabasePooled
    where transactions are impossible; psycopg.Error.
    """
    connection = open_connection()
    try:
        connection.autocommit = True
        connection.prepare_threshold = None
        try:
            connection.execute(BEGIN.encode())
            durability = _fetch_row(connection, "SELECT current_setting('synchronous_commit')")[0]
            connection.execute("COMMIT")
        except psycopg.OperationalError as error:
            raise _explain(error) from error
    except BaseException:
        connection.close()
        raise
    connection.begin_statement = BEGIN_DURABLE if durability == FORGETFUL else BEGIN
    return connection


def find_pool_mode(connection: BoundedConnection, open_connection: Open) -> PoolMode:
    """Find out how long the pooler at the other end lends a connection to PostgreSQL.

    In session mode two clients that are both connected never share a server's process, and one
    keeps its own. In transaction mode the second gets the one that the first has just returned,
    unless a third client was quicker; then the first gets another one. Raises psycopg.Error.
    """
    try:
        connection.execute("BEGIN")
        connection.execute("COMMIT")
    except psycopg.OperationalError as error:
        if STATEMENT_MODE in str(error):
            return PoolMode.STATEMENT
        raise
    other = open_connection()
    try:
        other.autocommit = True
        connection.answer_seconds, other.answer_seconds = PROBE_SECONDS, PROBE_SECONDS
        for _ in range(PROBES):
            mine, its, again = (
                _fetch_row(asked, _PID)[0] for asked in (connection, other, connection)
            )
            if its == mine or again != mine:
                return PoolMode.TRANSACTION
    finally:
        other.close()
        connection.answer_seconds = None
    return PoolMode.SESSION


def _require_session_mode(connection: BoundedConnection, open_connection: Open) -> None:
    info = connection.info
    route = (info.host, info.port, info.dbname, info.user)
    now = time.monotonic()
    if now - _examined.get(route, float("-inf")) < KEPT_SECONDS:
        return
    mode = find_pool_mode(connection, open_connection)
    if mode is not PoolMode.SESSION:
        raise _refuse(mode, f"{info.host}:{info.port}")
    _examined[route] = now


def _refuse(mode: PoolMode, place: str) -> DatabasePooled:
    if mode is PoolMode.STATEMENT:
        return DatabasePooled(
            "Between Cinemill and PostgreSQL is a pooler in statement mode"
            f"{f' ({place})' if place else ''}, in which no transaction is possible.",
            hint=(
                "Set 'pool_mode = transaction' for this database in PgBouncer, and "
                "DATABASE_DIRECT_URL to the address of PostgreSQL itself."
            ),
        )
    return DatabasePooled(
        f"Between Cinemill and PostgreSQL is a pooler in transaction mode ({place}), through which "
        "notifications, locks and settings of a session do not pass."
    )


def _explain(error: psycopg.OperationalError) -> Exception:
    return _refuse(PoolMode.STATEMENT, "") if STATEMENT_MODE in str(error) else error


def _fetch_row(connection: BoundedConnection, query: str) -> Any:
    # A statement that was prepared would be missing on the next server that a pooler lends.
    return connection.execute(query.encode(), prepare=False).fetchone()
