"""Refused messages, moved from Redis into PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import text
from tests.conftest import fresh_database
from tests.integration.redis_databases import take_redis_database
from tests.integration.storage import rows

from cinemill.config import load
from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure
from cinemill.errors import DatabaseUnavailable
from cinemill.storage.database import migrate
from cinemill.storage.jobs import refused_messages
from cinemill.storage.jobs.dead_messages import list_dead_messages
from cinemill.storage.jobs.refused_messages import RefusedMessages, parse_entry
from cinemill.worker.app_factory import build_app
from cinemill.worker.messages.dead_letters import DeadLetterWriter

OWN_REDIS_DATABASE = 14
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
REASON = Failure("message_not_json", "It is not JSON.", "Send JSON.", retryable=False)


@pytest.fixture
def url(redis_url: str) -> str:
    return take_redis_database(redis_url, OWN_REDIS_DATABASE)


@pytest.fixture
def refused(url: str) -> Iterator[RefusedMessages]:
    opened = RefusedMessages(url)
    yield opened
    opened.close()


@pytest.fixture
def app_without_database(url: str, tmp_path: Path) -> Iterator[Celery]:
    named = {"CINEMILL_HOME": str(tmp_path), "REDIS_URL": url, "DATABASE_URL": NOWHERE}
    app = build_app(load(named))
    yield app
    app.close()


def make(excerpt: str) -> DeadMessage:
    return DeadMessage.make(queue="default", failure=REASON, excerpt=excerpt, size_bytes=8)


def test_dead_letters_wait_in_order_while_postgres_is_down(
    app_without_database: Celery, refused: RefusedMessages
) -> None:
    messages = [make("first"), make("second")]
    for message in messages:
        refused.put(message)
    with pytest.raises(DatabaseUnavailable):
        DeadLetterWriter(app_without_database.context).move()
    assert [parse_entry(entry) for entry in refused.peek(10)] == messages


def test_flood_of_dead_letters_drops_the_oldest(
    refused: RefusedMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_messages, "MOST_WAITING", 3)
    for number in range(5):
        refused.put(make(str(number)))
    kept = [parse_entry(entry) for entry in refused.peek(10)]
    assert [message.excerpt for message in kept if message] == ["2", "3", "4"]


@pytest.fixture
def app(database_url: str, url: str, tmp_path: Path) -> Iterator[Celery]:
    with fresh_database(database_url) as address:
        migrate(address)
        named = {"CINEMILL_HOME": str(tmp_path), "REDIS_URL": url, "DATABASE_URL": address}
        app = build_app(load(named))
        yield app
        app.context.database.close()
        app.close()


def refuse_step(run_id: str) -> DeadMessage:
    """Return the dead message of a worker that has no task for a step's message."""
    return DeadMessage.make(
        queue="default",
        task="step.count_sheep",
        task_id=run_id,
        failure=Failure("task_unknown", "This worker cannot do the step.", retryable=False),
        excerpt="",
        size_bytes=8,
    )


def count_runs(app: Celery, condition: str) -> int:
    with app.context.database.begin() as connection:
        query = text(f"SELECT count(*) FROM run WHERE {condition}")
        return int(connection.execute(query).scalar_one())


def test_step_unknown_to_one_worker_is_offered_again(app: Celery, refused: RefusedMessages) -> None:
    """This happens while packages are installed on one machine after the other."""
    job = app.context.service.create_job("get_queue_stats")
    (run_id,) = rows.queued_runs(app.context.database, job.id).values()
    rows.change(app.context.database, "UPDATE run SET published_at = now()")
    refused.put(refuse_step(run_id))
    assert DeadLetterWriter(app.context).move() == 1
    with app.context.database.begin() as connection:
        assert list_dead_messages(connection, limit=10) == []
    waiting = "published_at IS NULL AND delay_ends IS NOT NULL"
    assert count_runs(app, waiting) == 1
    assert (
        "a worker that can do the step 'count_sheep'" in app.context.service.get_job(job.id).message
    )


def test_foreign_message_that_names_a_step_becomes_a_dead_letter(
    app: Celery, refused: RefusedMessages
) -> None:
    refused.put(refuse_step("no-run-of-ours"))
    assert DeadLetterWriter(app.context).move() == 1
    with app.context.database.begin() as connection:
        (kept,) = list_dead_messages(connection, limit=10)
    assert kept.task == "step.count_sheep"
