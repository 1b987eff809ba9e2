"""Access to PostgreSQL: transactions, schema version, and errors translated to Cinemill's own."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cinemill.errors import (
    DatabaseNewer,
    DatabaseUnavailable,
    LockTimeout,
    TextUnstorable,
    ValueUnstorable,
)

# Alembic is imported where it is used: every API, worker and beat process imports this module, and
# only the one that migrates needs its 8 MB and half a second of CPU.
if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["Connection", "Database", "check_version", "connection_parameters", "migrate"]

CONNECT_TIMEOUT_SECONDS = 5
ANSWER_SECONDS = 75.0
"""After so long without an answer a connection is given up: longer than any statement may take.
The kernel finds a dead machine sooner; but where a proxy or a frozen server has taken the request
and stays silent, nothing else would ever wake a waiting thread."""
HEAD = "head"
"""Alembic's name of the newest revision."""
MIGRATION_LOCK = 0x43494E45  # any constant of ours: two supervisors migrate one after the other

LOCK_WAIT_SECONDS = 2.0
"""How long a statement waits for a row or table that another transaction has locked. Our own
transactions hold locks for milliseconds; longer means that one was left open."""
LOCK_NOT_AVAILABLE = "55P03"

PASSING_STATES = ("08", "40", "53", "57", "58", "25006", "25P03", "25P04")
"""Classes and codes of SQLSTATE (PostgreSQL's manual, appendix A): connection, rolled back by the
server (deadlock, serialization), out of disk or memory, intervention and shutdown, its disk; a
standby or a primary that was demoted; a transaction that idled or lasted too long. All pass, and
the same statement may go through later."""

VALUE_STATES = ("22", "54000")
"""Of a value that the server refuses: data exceptions, and values too large for an index. What
people send is checked long before; this is the last line, so that nobody is asked to try again."""
TEXT_STATES = ("22P05", "22021")
"""Of those, for a text: a NUL in JSON, bytes that are no UTF-8."""
HALF_PAIR = "Unicode"
"""In PostgreSQL's details on JSON with half of a surrogate pair, which has no state of its own."""

UNREADABLE = "unreadable"
CLOSED_AT_ONCE = "This connection is closed"

# A frozen process must not hold row locks forever, nor a half-open connection hang for minutes.
_SESSION_OPTIONS = (
    "-c idle_in_transaction_session_timeout=15000 -c statement_timeout=60000 -c timezone=UTC "
    f"-c jit=off -c lock_timeout={LOCK_WAIT_SECONDS * 1000:.0f}"
)
_SOCKET_OPTIONS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "options": _SESSION_OPTIONS,
}


class _BoundedConnection(psycopg.Connection[Any]):
    """A connection that does not wait forever."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = ANSWER_SECONDS if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout as error:
            self.close()
            raise psycopg.OperationalError(f"no response within {limit:g} seconds") from error


def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> _BoundedConnection:
    return _BoundedConnection.connect(*arguments, **options)


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

    def __init__(self, url: str, *, pool_size: int = 5, application_name: str = "cinemill") -> None:
        self.url = url
        self._engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            connect_args={**_SOCKET_OPTIONS, "application_name": application_name},
            json_deserializer=read_json,
        )
        event.listen(self._engine, "do_connect", _connect)
        event.listen(self._engine, "checkout", _replace_if_closed)
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction: committed at the end, rolled back if anything is raised.

        Raises DatabaseUnavailable where the server is gone or the connection broke; whether a
        commit under way took effect is then unknown, so every caller's writes are idempotent.
        Raises LockTimeout, with nothing written, where a statement waited two seconds for a lock.
        """
        with _translate_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def once(self) -> Iterator[Connection]:
        """For one statement, which is a transaction of its own: no BEGIN and no COMMIT travel.

        Raises DatabaseUnavailable and LockTimeout, as :meth:`begin` does.
        """
        with _translate_errors(), self._single.connect() as connection:
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
    with _engine_connection(database.url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SET statement_timeout = 0"))
        yield connection


def is_connection_fault(error: DBAPIError) -> bool:
    """Check whether the server or the network is at fault, for now, rather than the statement."""
    if error.connection_invalidated:
        return True
    original = error.orig
    # By the state and not by the class: psycopg calls a transaction that idled too long, and a
    # standby that only lets read, internal errors.
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return str(state).startswith(PASSING_STATES)
    return isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)


def is_lock_timeout(error: DBAPIError) -> bool:
    """Check whether the statement gave up waiting for a lock of another transaction."""
    return getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE


def limit_lock_wait(connection: Connection, seconds: float) -> None:
    """Wait for locks at most so long, until this transaction ends."""
    connection.execute(
        text("SELECT set_config('lock_timeout', :milliseconds, true)"),
        {"milliseconds": f"{seconds * 1000:.0f}"},
    )


def connection_parameters(url: str) -> tuple[str, dict[str, Any]]:
    """Return what psycopg needs to connect as the pool does: (conninfo, keyword arguments)."""
    plain = make_url(url).set(drivername="postgresql")
    return plain.render_as_string(hide_password=False), dict(_SOCKET_OPTIONS)


def migrate(url: str, *, revision: str = HEAD) -> str:
    """Bring the schema to a revision, this version's head if none is named, and return it.

    Raises DatabaseNewer where the data was written by a newer Cinemill, DatabaseUnavailable where
    there is no server.
    """
    from alembic import command

    check_version(url)
    with _engine_connection(url) as connection:
        # A migration may write every row of a large library, and the second of two supervisors
        # waits for the first, however long that takes.
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET {limit} = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
    return _head_revision() if revision == HEAD else revision


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
    try:
        with _translate_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate errors of a server or a value to our own; pass on those of a wrong statement."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise TextUnstorable("A text contains characters that cannot be stored.") from error
    except DBAPIError as error:
        if is_lock_timeout(error):
            raise LockTimeout(
                "Another transaction holds a row or table that this needs."
            ) from error
        if (refused := _find_refused_value(error)) is not None:
            raise refused from error
        if is_connection_fault(error):
            raise DatabaseUnavailable(
                f"PostgreSQL does not respond ({_first_line(error)})."
            ) from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable("All connections to PostgreSQL are in use.") from error
    except InvalidRequestError as error:
        # The pool's word for connections that were closed as soon as they were opened.
        if str(error) != CLOSED_AT_ONCE:
            raise
        raise DatabaseUnavailable("PostgreSQL closes every connection.") from error


def _find_refused_value(error: DBAPIError) -> ValueUnstorable | None:
    """Return our error where PostgreSQL refused a value, not the statement; else None."""
    original = error.orig
    if not isinstance(original, psycopg.Error):
        return None
    # psycopg refuses some values before the server is asked, and gives them no state.
    state = original.sqlstate or ("22" if isinstance(original, psycopg.DataError) else "")
    if not state.startswith(VALUE_STATES):
        return None
    words = f"{original} {original.diag.message_detail or ''}"
    if state in TEXT_STATES or "NUL" in words or HALF_PAIR in words:
        return TextUnstorable("A text contains characters that cannot be stored.")
    return ValueUnstorable(f"PostgreSQL refuses a value: {_first_line(error)}.")


def _alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _head_revision() -> str:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic_config()).get_current_head() or ""


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
