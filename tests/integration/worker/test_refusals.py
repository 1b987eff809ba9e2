"""Held messages while Redis refuses kombu's commands, on a real server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer
from tests.faults.refusals import out_of_memory, read_only

from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.valkey import describe_valkey
from cinemill.worker.messages.kombu_patches import patch_redis_transport
from cinemill.worker.messages.transport import register_transports

FILM = {"film": 1}
HELD = "unacked"
EVERY_TIME = 1


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a Valkey of this test only."""
    server = describe_valkey(tmp_path / "valkey")
    process = RunningServer(
        "Valkey", server.command, server.is_ready, tmp_path / "log", signal.SIGTERM
    )
    process.start()
    yield server.url
    process.kill()


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """Yield a connection with one message in the queue ``films``."""
    patch_redis_transport()
    register_transports()
    with Connection(url) as connection:
        with connection.Producer() as producer:
            producer.publish(FILM, routing_key="films", declare=[Queue("films")])
        yield connection


def receive(connection: Connection) -> Message:
    """Return the next message, without declaring its queue, which is a write."""
    held: list[Message] = []
    consumer = Consumer(
        connection.default_channel,
        [Queue("films")],
        on_message=held.append,
        prefetch_count=1,
        auto_declare=False,
    )
    consumer.consume()
    connection.drain_events(timeout=60)
    (message,) = held
    return message


def restore_messages(message: Message) -> None:
    """Restore messages as the worker's event loop does every few seconds."""
    message.channel.qos.restore_visible(interval=EVERY_TIME)


def receive_again(url: str) -> Any:
    with Connection(url) as other:
        message = other.SimpleQueue("films").get(timeout=60)
        message.ack()
        return message.payload


def test_message_that_redis_refuses_to_store_is_delivered_and_stored_later(
    connection: Connection, client: Any, url: str
) -> None:
    """Redis had delivered it, and only this process has it."""
    with out_of_memory(url):
        message = receive(connection)
        assert message.payload == FILM
        assert client.hlen(HELD) == 0
    restore_messages(message)
    assert client.hlen(HELD) == 1
    connection.close()
    assert receive_again(url) == FILM


def test_message_acknowledged_meanwhile_is_not_stored(
    connection: Connection, client: Any, url: str
) -> None:
    with out_of_memory(url):
        message = receive(connection)
        message.ack()
    restore_messages(message)
    assert client.hlen(HELD) == 0


def test_refused_acknowledgement_is_retried(connection: Connection, client: Any, url: str) -> None:
    message = receive(connection)
    assert client.hlen(HELD) == 1
    with read_only(url):
        message.ack()
        assert client.hlen(HELD) == 1
    restore_messages(message)
    assert client.hlen(HELD) == 0


def test_message_with_a_refused_requeue_is_restored_after_its_timeout(
    connection: Connection, client: Any, url: str
) -> None:
    message = receive(connection)
    with read_only(url):
        message.requeue()
    assert client.hlen(HELD) == 1
    client.zadd("unacked_index", {message.delivery_tag: 0})
    restore_messages(message)
    assert client.hlen(HELD) == 0
    assert receive_again(url) == FILM


def test_refusal_is_a_connection_error_in_all_of_kombu(url: str) -> None:
    register_transports()
    with Connection(url) as connection:
        assert issubclass(redis.ResponseError, connection.connection_errors)
        assert issubclass(redis.ResponseError, connection.recoverable_connection_errors)


@pytest.mark.parametrize("key", [HELD, "unacked_index"])
def test_message_held_under_a_key_of_another_type_is_delivered_and_stored_later(
    connection: Connection, client: Any, url: str, key: str
) -> None:
    client.set(key, "of another program")
    message = receive(connection)
    assert message.payload == FILM
    for _ in range(2):
        restore_messages(message)
    assert client.hlen(HELD) == 1
    assert client.zcard("unacked_index") == 1
    connection.close()
    assert receive_again(url) == FILM
