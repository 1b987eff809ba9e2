"""Refused messages on their way from Redis into PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from tests.integration.redis_databases import take_redis_database

from cinemill.config import load
from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure
from cinemill.errors import DatabaseUnavailable
from cinemill.storage.jobs import refused_messages
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


def test_while_postgresql_is_away_they_wait_in_their_order(
    app_without_database: Celery, refused: RefusedMessages
) -> None:
    messages = [make("first"), make("second")]
    for message in messages:
        refused.put(message)
    with pytest.raises(DatabaseUnavailable):
        DeadLetterWriter(app_without_database.mill).move()
    assert [parse_entry(entry) for entry in refused.peek(10)] == messages


def test_a_flood_drops_the_oldest(
    refused: RefusedMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_messages, "MOST_WAITING", 3)
    for number in range(5):
        refused.put(make(str(number)))
    kept = [parse_entry(entry) for entry in refused.peek(10)]
    assert [message.excerpt for message in kept if message] == ["2", "3", "4"]
