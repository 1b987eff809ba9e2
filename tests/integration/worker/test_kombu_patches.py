"""The patches of kombu, each on a real Redis."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer
from tests.waiting import PATIENCE_SECONDS

from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.valkey import describe_valkey
from cinemill.worker.messages.kombu_patches import patch_redis_transport

FILM = {"film": 1}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, RunningServer]]:
    """Yield the URL of a Redis of this test only, and its process."""
    described = describe_valkey(tmp_path / "valkey")
    running = RunningServer(
        "Valkey", described.command, described.is_ready, tmp_path / "log", signal.SIGTERM
    )
    running.start()
    yield described.url, running
    running.kill()


def hold_a_message(url: str) -> Connection:
    """Return a waiting consumer with one message neither acknowledged nor returned.

    A second channel waits too, as in Celery.
    """
    patch_redis_transport()
    held: list[Message] = []
    connection = Connection(url)
    with connection.Producer() as producer:
        producer.publish(FILM, routing_key="films", declare=[Queue("films")])
    channel = connection.default_channel
    Consumer(channel, [Queue("films")], on_message=held.append, prefetch_count=2).consume()
    Consumer(connection.channel(), [Queue("orders")], on_message=held.append).consume()
    connection.drain_events(timeout=PATIENCE_SECONDS)
    with suppress(socket.timeout):
        connection.drain_events(timeout=0.5)
    assert len(held) == 1
    return connection


def test_consumer_with_a_held_message_can_close_a_lost_connection(
    server: tuple[str, RunningServer],
) -> None:
    url, process = server
    connection = hold_a_message(url)
    process.kill()
    # The two steps of celery.worker.consumer.Consumer.on_connection_error_after_connected.
    with suppress(Exception):
        connection.collect(socket_timeout=1.0)
    connection.close()


def test_held_message_is_restored_while_connected(
    server: tuple[str, RunningServer],
) -> None:
    url, _ = server
    hold_a_message(url).close()
    with Connection(url) as again:
        message = again.SimpleQueue("films").get(timeout=PATIENCE_SECONDS)
        assert message.payload == FILM
        message.ack()
