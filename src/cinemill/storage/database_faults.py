"""Errors of PostgreSQL, its driver and the pool, translated to Cinemill's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cinemill.errors import DatabaseUnavailable, LockTimeout, TextUnstorable, ValueUnstorable

LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"

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

CLOSED_AT_ONCE = "This connection is closed"


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


def was_too_long(error: DatabaseUnavailable) -> bool:
    """Check whether the server ended a statement, as it does with one that takes too long."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and (
        getattr(cause.orig, "sqlstate", None) == QUERY_CANCELED
    )


@contextmanager
def translate_errors() -> Iterator[None]:
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


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
