"""Access to PostgreSQL: transactions, schema version, and errors translated to Cinemill's own."""

from __future__ import annotations

import json
import secrets
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError

from cinemill.errors import (
    DatabaseNewer,
    DatabasePooled,
    LockTimeout,
)
from cinemill.storage.database_faults import is_lock_timeout, translate_errors
from cinemill.storage.sessions import BoundedConnection, open_pooled, open_session

# Alembic is imported where it is used: every API, worker and beat process imports this module, and
# only the one that migrates needs its 8 MB and half a second of CPU.
if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["Connection", "Database", "check_version", "migrate", "open_connection"]

CONNECT_TIMEOUT_SECONDS = 5
HEAD = "head"
"""Alembic's name of the newest revision."""
MIGRATION_LOCK = 0x43494E45  # any constant of ours: two supervisors migrate one after the other

MIGRATION_LOCK_WAIT_SECONDS = 4.0
MIGRATION_PAUSE_SECONDS = 1.0
MIGRATION_PATIENCE_SECONDS = 60.0
_OLDEST_TRANSACTION = text(
    """
    SELECT concat('process ', pid, ', ', nullif(application_name, '') || ', ', state, ', since ',
                  date_trunc('second', xact_start), ' UTC')
    FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()
    AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1
    """
)
UNREADABLE = "unreadable"
_SOCKET_OPTIONS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}


def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> BoundedConnection:
    return open_session(lambda: BoundedConnection.connect(*arguments, **options))


def _connect_pooled(_dialect: Any, _record: Any, arguments: Any, options: Any) -> BoundedConnection:
    return open_pooled(lambda: BoundedConnection.connect(*arguments, **options))


def _begin_pooled(connection: Connection) -> None:
    pooled: Any = connection.connection.driver_connection
    connection.exec_driver_sql(pooled.begin_statement)


def _replace_if_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Replace a closed connection before each use, without the round trip of a ping.

    A peer that closes a connection makes its socket readable, and an idle one has nothing else to
    read.
    """
    poll = select.poll()  # unlike select(), for any number of open files
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError


def read_json(document: str | bytes) -> Any:
    """Return a stored document, or ``UNREADABLE`` where Python cannot read what PostgreSQL stores.

    Examples are nesting deeper than its stack and numbers of thousands of digits. One such row must
    not keep others from being read.
    """
    try:
        return json.loads(document)
    except (RecursionError, ValueError):
        return UNREADABLE


class Database:
    """A pool of connections. Safe to share between threads, never between processes."""

    def __init__(
        self,
        url: str,
        *,
        direct_url: str | None = None,
        pool_size: int = 5,
        application_name: str = "cinemill",
    ) -> None:
        """Open nothing yet.

        With ``direct_url``, ``url`` leads to a pooler, and nothing of the pool's connections
        outlives a transaction; what needs a session of its own connects to ``direct_url``.
        """
        self.url = url
        self.direct_url = direct_url or url
        """Where a connection keeps its session: for LISTEN, locks of a session, and migrations."""
        self._is_pooled = direct_url is not None
        self._engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            connect_args={**_SOCKET_OPTIONS, "application_name": application_name},
            json_deserializer=read_json,
        )
        event.listen(self._engine, "do_connect", _connect_pooled if self._is_pooled else _connect)
        event.listen(self._engine, "checkout", _replace_if_closed)
        if self._is_pooled:
            event.listen(self._engine, "begin", _begin_pooled)
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction: committed at the end, rolled back if anything is raised.

        Raises DatabaseUnavailable where the server is gone or the connection broke; whether a
        commit under way took effect is then unknown, so every caller's writes are idempotent.
        Raises LockTimeout, with nothing written, where a statement waited two seconds for a lock.
        """
        with translate_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def once(self) -> Iterator[Connection]:
        """For one statement, which is a transaction of its own: no BEGIN and no COMMIT travel.

        Through a pooler they do, for the settings that come with BEGIN. Raises DatabaseUnavailable
        and LockTimeout, as :meth:`begin` does.
        """
        if self._is_pooled:
            with self.begin() as connection:
                yield connection
            return
        with translate_errors(), self._single.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Check the connection. Raises DatabaseUnavailable where PostgreSQL does not respond."""
        with self.once() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()

    def abandon(self) -> None:
        """Forget the pool without closing its sockets: in a forked child they are the parent's."""
        self._engine.dispose(close=False)


@contextmanager
def open_patient_connection(database: Database) -> Iterator[Connection]:
    """Open a connection for statements that may take an hour, such as building an index.

    Each is a transaction of its own. Raises DatabaseUnavailable and LockTimeout, as
    :meth:`Database.begin` does; the kernel notices a server that is gone.
    """
    with _engine_connection(database.direct_url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SET statement_timeout = 0"))
        yield connection


def limit_lock_wait(connection: Connection, seconds: float) -> None:
    """Wait for locks at most so long, until this transaction ends."""
    connection.execute(
        text("SELECT set_config('lock_timeout', :milliseconds, true)"),
        {"milliseconds": f"{seconds * 1000:.0f}"},
    )


def limit_statements(connection: Connection, seconds: float) -> None:
    """Let each statement take at most so long, until this transaction ends."""
    connection.execute(
        text("SELECT set_config('statement_timeout', :milliseconds, true)"),
        {"milliseconds": f"{seconds * 1000:.0f}"},
    )


def open_connection(url: str) -> psycopg.Connection[Any]:
    """Open a connection that keeps its session, as the pool does, but without SQLAlchemy.

    Raises DatabasePooled, psycopg.Error.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return open_session(lambda: BoundedConnection.connect(plain, **_SOCKET_OPTIONS))


def check_route(database: Database) -> None:
    """Check that what is between here and PostgreSQL passes on what Cinemill needs.

    Raises DatabasePooled where a pooler does not, or where the two addresses of a database lead to
    two; DatabaseUnavailable.
    """
    with _engine_connection(database.direct_url) as direct:
        if database.direct_url == database.url:
            return
        # A lock that only sessions of the same database see.
        key = {"key": secrets.randbits(62)}
        direct.execute(text("SELECT pg_advisory_lock(:key)"), key)
        with database.begin() as pooled:
            is_other = pooled.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), key)
            if is_other.scalar_one():
                raise DatabasePooled(
                    "DATABASE_URL and DATABASE_DIRECT_URL lead to different databases.",
                    hint="Set both to addresses of the same database, one of them the pooler's.",
                )


def migrate(url: str, *, revision: str = HEAD) -> str:
    """Bring the schema to a revision, this version's head if none is named, and return it.

    Raises DatabaseNewer where the data was written by a newer Cinemill, DatabaseUnavailable where
    there is no server, LockTimeout where another transaction does not let it have a table.
    """
    check_version(url)
    with _engine_connection(url) as connection:
        # A migration may write every row of a large library, and the second of two supervisors
        # waits for the first, however long that takes.
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET {limit} = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            _upgrade(connection, revision)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
    return _head_revision() if revision == HEAD else revision


def _upgrade(connection: Connection, revision: str) -> None:
    """Migrate in one transaction, and again where another one holds a table that it changes.

    Whoever needs such a table waits behind a migration that waits, so that it never waits for long.
    """
    from alembic import command

    deadline = time.monotonic() + MIGRATION_PATIENCE_SECONDS
    while True:
        limit_lock_wait(connection, MIGRATION_LOCK_WAIT_SECONDS)
        config = _alembic_config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
            connection.commit()
        except DBAPIError as error:
            if not is_lock_timeout(error):
                raise
            connection.rollback()
            holder = connection.execute(_OLDEST_TRANSACTION).scalar_one_or_none()
            connection.rollback()
            if time.monotonic() > deadline:
                raise LockTimeout(
                    "The schema cannot be brought up to date, because another transaction holds a "
                    f"table that this changes. The oldest is {holder or 'not visible'}.",
                    hint=(
                        "End that transaction, with 'SELECT pg_terminate_backend(PROCESS)' for "
                        "instance, and start Cinemill again. Nothing was changed."
                    ),
                ) from error
        else:
            return
        time.sleep(MIGRATION_PAUSE_SECONDS)


def check_version(url: str) -> str | None:
    """Return the revision that the database is at (None: empty).

    Raises DatabaseNewer, DatabaseUnavailable.
    """
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    with _engine_connection(url) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current is not None:
        try:
            ScriptDirectory.from_config(_alembic_config()).get_revision(current)
        except CommandError as error:
            raise DatabaseNewer(
                f"The database is at version {current}, which is newer than this Cinemill version."
            ) from error
    return current


@contextmanager
def _engine_connection(url: str) -> Iterator[Connection]:
    engine = create_engine(url, connect_args=_SOCKET_OPTIONS)
    event.listen(engine, "do_connect", _connect)
    try:
        with translate_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _head_revision() -> str:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic_config()).get_current_head() or ""
