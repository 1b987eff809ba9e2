"""Rows of messages that became no job: bounded, listed latest first, dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.integration.storage import rows

from cinemill.core.dead_messages import DeadMessage, read_dead_message
from cinemill.core.job import Failure
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.jobs.dead_messages import (
    delete_dead_message,
    insert_dead_message,
    list_dead_messages,
    prune_dead_messages,
)

REASON = Failure("message_not_json", "It is not JSON.", "Send JSON.", retryable=False)


def make(number: int, *, days_old: float = 0.0) -> DeadMessage:
    moment = datetime.now(UTC) - timedelta(days=days_old, seconds=-number)
    return DeadMessage(f"m{number}", "default", "", "", REASON, "nonsense", 8, moment)


def store(database: Database, *messages: DeadMessage) -> None:
    with database.begin() as connection:
        for message in messages:
            insert_dead_message(connection, message)


def list_ids(database: Database) -> list[str]:
    with database.begin() as connection:
        return [message.id for message in list_dead_messages(connection)]


def test_dead_message_is_listed_as_it_was_stored(database: Database) -> None:
    message = make(1)
    store(database, message)
    with database.begin() as connection:
        assert list_dead_messages(connection) == [message]


def test_dead_messages_are_listed_latest_first(database: Database) -> None:
    store(database, make(1), make(3), make(2))
    assert list_ids(database) == ["m3", "m2", "m1"]


def test_same_message_twice_is_one_row(database: Database) -> None:
    store(database, make(1), make(1))
    assert list_ids(database) == ["m1"]


def test_only_the_latest_dead_messages_are_kept(database: Database) -> None:
    store(database, *(make(number) for number in range(5)))
    with database.begin() as connection:
        assert prune_dead_messages(connection, most_rows=2) == 3
    assert list_ids(database) == ["m4", "m3"]


def test_old_dead_messages_are_deleted(database: Database) -> None:
    store(database, make(1, days_old=31), make(2))
    with database.begin() as connection:
        assert prune_dead_messages(connection, older_than_days=30) == 1
    assert list_ids(database) == ["m2"]


def test_dead_messages_that_somebody_holds_are_left_until_the_next_time(
    database: Database,
) -> None:
    """The relay, which deletes what is too much, would wait for them each time."""
    store(database, make(1, days_old=31), make(2, days_old=31), make(3), make(4))
    with (
        rows.locked(database, "SELECT 1 FROM dead_message WHERE id IN ('m1', 'm3') FOR UPDATE"),
        database.begin() as connection,
    ):
        assert prune_dead_messages(connection, older_than_days=30, most_rows=1) == 1
    assert list_ids(database) == ["m4", "m3", "m1"]
    with database.begin() as connection:
        assert prune_dead_messages(connection, older_than_days=30, most_rows=1) == 2


def test_dead_message_is_deleted_once(database: Database) -> None:
    store(database, make(1))
    with database.begin() as connection:
        delete_dead_message(connection, "m1")
    with pytest.raises(NotFound), database.begin() as connection:
        delete_dead_message(connection, "m1")


def test_rows_that_no_python_can_read_hide_no_others(database: Database) -> None:
    store(database, *(make(number) for number in range(4)))
    with database.begin() as connection:
        connection.execute(
            text(
                """
                UPDATE dead_message SET
                    received_at = CASE id WHEN 'm1' THEN 'infinity' WHEN 'm2' THEN '-infinity'
                        ELSE received_at + interval '9000 years' END,
                    failure = CASE id WHEN 'm1' THEN '[5]' WHEN 'm2' THEN 'null'
                        ELSE '{"code": 5, "message": {}}' END::jsonb,
                    excerpt = repeat('x', 1000000), size_bytes = -5
                WHERE id <> 'm0'
                """
            )
        )
        listed = list_dead_messages(connection)
    assert {message.id for message in listed} == {"m0", "m1", "m2", "m3"}
    assert max(len(message.excerpt) for message in listed) <= 1000


def test_dead_message_json_has_every_field() -> None:
    import json

    message = make(1)
    assert read_dead_message(json.dumps(message.to_json())) == message
