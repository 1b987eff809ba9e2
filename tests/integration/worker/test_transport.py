"""Held messages and their count of interruptions, on a real Redis."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer
from tests.integration.redis_databases import take_redis_database
from tests.messages import make_message

from cinemill.worker.messages.foreign_keys import delete_foreign_keys
from cinemill.worker.messages.queues import broker_options
from cinemill.worker.messages.transport import read_interruptions, register_transports

OWN_REDIS_DATABASE = 13
LIST = "cinemill:films"


@pytest.fixture
def url(redis_url: str) -> str:
    register_transports()
    return take_redis_database(redis_url, OWN_REDIS_DATABASE)


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    opened: Any = redis.Redis.from_url(url)
    with opened:
        yield opened


@contextmanager
def take_one(url: str) -> Iterator[Any]:
    """Return the next message of the queue, which its consumer still holds at the end."""
    taken: list[Message] = []
    connection = Connection(url, transport_options=broker_options())
    queue = Queue("films", no_declare=True)
    with Consumer(connection.channel(), [queue], on_message=taken.append, prefetch_count=1):
        for _ in range(60):
            with suppress(socket.timeout):
                connection.drain_events(timeout=1)
            if taken:
                break
        yield taken[0]
        # As if the process had died: nothing is returned.
        taken[0].channel.qos._delivered.clear()
    connection.release()


def restore_unacknowledged(url: str, client: Any) -> None:
    """Restore held messages as another worker does after the visibility timeout."""
    for tag in client.zrange("cinemill:unacked_index", 0, -1):
        client.zadd("cinemill:unacked_index", {tag: 1.0})
    connection = Connection(url, transport_options=broker_options())
    connection.channel().qos.restore_visible(interval=1)
    connection.release()


def test_interruptions_are_counted_for_each_dead_worker(url: str, client: Any) -> None:
    client.lpush(LIST, json.dumps(make_message()))
    for count in range(4):
        with take_one(url) as message:
            assert read_interruptions(message.headers) == min(count, 3)
            assert bool(message.delivery_info["redelivered"]) is (count > 0)
        restore_unacknowledged(url, client)
    assert client.hlen("cinemill:unacked") == 0


@pytest.mark.parametrize("ahead_seconds", [120.0, 7200.0, 365 * 86400.0])
def test_message_of_a_dead_worker_whose_clock_was_ahead_is_held_from_now_on(
    url: str, client: Any, ahead_seconds: float
) -> None:
    client.lpush(LIST, json.dumps(make_message()))
    with take_one(url):
        pass
    (tag,) = client.zrange("cinemill:unacked_index", 0, -1)
    client.zadd("cinemill:unacked_index", {tag: time.time() + ahead_seconds})
    connection = Connection(url, transport_options=broker_options())
    connection.channel().qos.restore_visible(interval=1)
    connection.release()
    assert client.zscore("cinemill:unacked_index", tag) <= time.time()


def test_requeue_by_a_task_resets_the_interruptions(url: str, client: Any) -> None:
    """While PostgreSQL is down, a message is requeued again and again."""
    client.lpush(LIST, json.dumps(make_message()))
    for _ in range(2):
        with take_one(url):
            pass
        restore_unacknowledged(url, client)
    with take_one(url) as message:
        assert read_interruptions(message.headers) == 2
        message.requeue()
    with take_one(url) as message:
        assert read_interruptions(message.headers) == 0


def test_requeue_after_a_dead_process_counts_an_interruption(url: str, client: Any) -> None:
    client.lpush(LIST, json.dumps(make_message()))
    with take_one(url) as message:
        message.ended_its_process = True
        message.requeue()
    with take_one(url) as message:
        assert read_interruptions(message.headers) == 1


@pytest.mark.parametrize(
    "held", [b"", b"nonsense", b"[]", b"[1, 2, 3]", b"[{}, 5, null]", b"[" * 100_000, b"\xff"]
)
def test_unreadable_held_message_is_delivered_as_unreadable(
    url: str, client: Any, held: bytes
) -> None:
    client.hset("cinemill:unacked", "a tag", held)
    client.zadd("cinemill:unacked_index", {"a tag": 1.0})
    restore_unacknowledged(url, client)
    assert client.hlen("cinemill:unacked") == 0
    lists = [client.lindex(name, 0) for name in client.keys("cinemill:*") if b"default" in name]
    assert len(lists) == (1 if held else 0)


def test_messages_that_share_a_delivery_tag_are_held_separately(url: str, client: Any) -> None:
    message = make_message()
    client.lpush(LIST, json.dumps(message), json.dumps(message))
    with take_one(url), take_one(url):
        assert client.hlen("cinemill:unacked") == 2


@pytest.mark.parametrize(
    "key", [LIST, f"{LIST}\x06\x163", "_kombu.binding.films", "unacked", "unacked_index"]
)
def test_key_of_another_type_stops_no_worker(url: str, client: Any, key: str) -> None:
    client.lpush(LIST, json.dumps(make_message()))
    key = f"cinemill:{key.removeprefix('cinemill:')}"
    kept = client.dump(LIST)
    client.delete(key)
    client.xadd(key, {"of": "another program"})
    with Connection(url, transport_options=broker_options()) as connection:
        delete_foreign_keys(connection.channel(), ["films", "other"])
    assert not client.exists(key)
    client.delete(LIST)
    client.restore(LIST, 0, kept)
    with take_one(url) as message:
        assert message.payload
    with Connection(url, transport_options=broker_options()) as connection:
        delete_foreign_keys(connection.channel(), ["films", "other"])
    assert client.hlen("cinemill:unacked") == 1


def test_lock_that_nobody_holds_is_given_up_in_time(url: str, client: Any) -> None:
    client.set("cinemill:unacked_mutex", "of another program")
    with Connection(url, transport_options=broker_options()) as connection:
        delete_foreign_keys(connection.channel(), ["films"])
    assert 0 < client.pttl("cinemill:unacked_mutex") <= 300_000
    client.pexpire("cinemill:unacked_mutex", 1000)
    with Connection(url, transport_options=broker_options()) as connection:
        delete_foreign_keys(connection.channel(), ["films"])
    assert client.pttl("cinemill:unacked_mutex") <= 1000
