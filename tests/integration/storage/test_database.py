"""The door to PostgreSQL: whole transactions, faults in our own words, and rings."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.integration.storage import rows
from tests.waiting import PATIENCE_SECONDS

from cinemill.errors import DatabaseUnavailable, TextUnstorable, ValueUnstorable
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.channels import READY_CHANNEL, notify
from cinemill.storage.json_columns import json_parameter
from cinemill.storage.notifications import Listener


def cut_off(database: Database, connection: Connection) -> None:
    """End the server's side of a connection, as a restart of PostgreSQL does."""
    pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    rows.change(database, "SELECT pg_terminate_backend(:pid)", pid=pid)


def test_transaction_rolls_back_on_any_exception(database: Database) -> None:
    job = rows.accept(database)
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        connection.execute(text("DELETE FROM job"))
        raise ZeroDivisionError
    assert rows.get_job(database, job) == job


def test_broken_connection_is_the_servers_fault_and_the_next_one_works(
    database: Database,
) -> None:
    with pytest.raises(DatabaseUnavailable), database.begin() as connection:
        cut_off(database, connection)
        connection.execute(text("SELECT 1"))
    database.ping()


def test_wrong_statement_is_not_the_servers_fault(database: Database) -> None:
    job = rows.accept(database)
    with pytest.raises(IntegrityError):
        rows.change(database, "UPDATE job SET kind = NULL WHERE id = :id", id=job.id)


REFUSED_VALUES = [
    ("CAST(:value AS text)", "a\x00b", TextUnstorable),
    ("CAST(:value AS text)", "\ud800", TextUnstorable),
    ("CAST(:value AS text[])", ["\udfff"], TextUnstorable),
    (":value", {"a": "\x00"}, TextUnstorable),
    (":value", {"a": ["\ud800"]}, TextUnstorable),
    (":value", {"\udfff": 1}, TextUnstorable),
    ("convert_from(:value, 'UTF8')", b"\xff", TextUnstorable),
    (":value", {"a": float("nan")}, ValueUnstorable),
    ("CAST(:value AS int)", 2**40, ValueUnstorable),
    ("CAST(:value AS bigint)", 2**70, ValueUnstorable),
    ("CAST(CAST(:value AS float8) AS bigint)", float("nan"), ValueUnstorable),
    ("CAST(CAST(:value AS text) AS timestamptz)", "999999-01-01", ValueUnstorable),
    ("make_interval(secs => :value)", 1e300, ValueUnstorable),
    ("'a' ~ :value", "(", ValueUnstorable),
]
"""What no statement should be given, and the server's fault in none of these cases."""


@pytest.mark.parametrize(("expression", "value", "kind"), REFUSED_VALUES)
def test_refused_value_is_not_worth_asking_again(
    database: Database, expression: str, value: object, kind: type[ValueUnstorable]
) -> None:
    statement = text(f"SELECT {expression}")
    if isinstance(value, dict):
        statement = statement.bindparams(json_parameter("value"))
    for open_connection in (database.begin, database.once):
        with pytest.raises(ValueUnstorable) as refused, open_connection() as connection:
            connection.execute(statement, {"value": value})
        assert type(refused.value) is kind
        assert (refused.value.http_status, refused.value.is_retryable) == (422, False)
    database.ping()


def test_frozen_process_does_not_hold_its_locks_for_ever(database: Database) -> None:
    with database.begin() as connection:
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
        assert limit == "15s"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


IDLE_TOO_LONG = "SET LOCAL idle_in_transaction_session_timeout = 20"
ONLY_READ = "SET TRANSACTION READ ONLY"
"""A standby, and a primary that was demoted, answer writes with the same error."""
CANCELLED = "SET LOCAL statement_timeout = 20"


@pytest.mark.parametrize(
    ("before", "statement"),
    [
        (IDLE_TOO_LONG, "SELECT 1"),
        (ONLY_READ, "UPDATE job SET priority = 1"),
        (CANCELLED, "SELECT pg_sleep(60)"),
    ],
    ids=["idled too long", "only lets read", "statement cancelled"],
)
def test_temporary_server_refusal_is_retryable(
    database: Database, before: str, statement: str
) -> None:
    """psycopg calls the first two internal errors: a run's end was lost with them."""
    for _ in range(5):  # whether the connection is seen to be closed by then is a matter of luck
        with pytest.raises(DatabaseUnavailable), database.begin() as connection:
            connection.execute(text(before))
            time.sleep(0.1)
            connection.execute(text(statement))
    database.ping()


@pytest.fixture
def listener(database: Database) -> Iterator[Listener]:
    listener = Listener(database.url, [READY_CHANNEL])
    listener.wait(0.01)  # listens from here on
    yield listener
    listener.close()


def ring_once(database: Database, payload: str = "") -> None:
    with database.begin() as connection:
        notify(connection, READY_CHANNEL, payload)


def test_notification_wakes_a_waiting_listener(database: Database, listener: Listener) -> None:
    threading.Timer(0.2, ring_once, [database, "hello"]).start()
    assert listener.wait(PATIENCE_SECONDS) == [(READY_CHANNEL, "hello")]


def test_notification_between_waits_is_received_at_the_next_wait(
    database: Database, listener: Listener
) -> None:
    ring_once(database)
    time.sleep(0.1)
    assert listener.wait(PATIENCE_SECONDS) == [(READY_CHANNEL, "")]


def test_wait_without_notification_ends_with_the_timeout(listener: Listener) -> None:
    assert listener.wait(0.05) == []


def test_notification_of_a_rolled_back_transaction_is_not_received(
    database: Database, listener: Listener
) -> None:
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        notify(connection, READY_CHANNEL, "")
        raise ZeroDivisionError
    assert listener.wait(0.1) == []


def test_accepted_job_notifies_the_relay(database: Database, listener: Listener) -> None:
    rows.accept(database)
    assert listener.wait(PATIENCE_SECONDS) == [(READY_CHANNEL, "")]


def test_listener_that_was_cut_off_says_so_and_then_listens_again(
    database: Database, listener: Listener
) -> None:
    rows.change(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    with pytest.raises(DatabaseUnavailable):
        listener.wait(PATIENCE_SECONDS)
    assert not listener.is_connected
    listener.wait(0.01)
    ring_once(database)
    assert listener.wait(PATIENCE_SECONDS) == [(READY_CHANNEL, "")]
