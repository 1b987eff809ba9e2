"""Messages in lists without our key prefix: only those of known tasks are counted and moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.integration.redis_databases import take_redis_database
from tests.messages import make_message

from cinemill.storage.jobs.stray_messages import (
    SEPARATOR,
    StrayMessages,
    count_stray_messages,
    list_names,
)

OWN_REDIS_DATABASE = 11
TASKS = ["process_video", "get_queue_stats"]


@pytest.fixture
def url(redis_url: str) -> str:
    return take_redis_database(redis_url, OWN_REDIS_DATABASE)


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    opened: Any = redis.Redis.from_url(url)
    with opened:
        yield opened


@pytest.fixture
def strays(url: str) -> Iterator[StrayMessages]:
    opened = StrayMessages(url, prefix="cinemill:")
    yield opened
    opened.close()


def write(task: str = "process_video") -> bytes:
    return json.dumps(make_message(task)).encode()


def test_known_tasks_are_moved_in_their_order_and_others_stay(
    strays: StrayMessages, client: Any
) -> None:
    ours = [write(), write("get_queue_stats"), write()]
    others = [write("somebody.elses"), b"nonsense", b"[1]", b'{"headers": 5}', b'{"headers": {}}']
    for item in [others[0], ours[0], *others[1:3], ours[1], ours[2], *others[3:]]:
        client.lpush("celery", item)
    assert strays.count("celery", TASKS) == 3
    assert strays.adopt("celery", TASKS, "default") == 3
    assert client.lrange("cinemill:default", 0, -1)[::-1] == ours
    assert client.lrange("celery", 0, -1)[::-1] == others


def test_stray_message_is_found_once(strays: StrayMessages, client: Any) -> None:
    client.lpush("celery", write())
    assert strays.adopt("celery", TASKS, "default") == 1
    assert strays.adopt("celery", TASKS, "default") == 0


def test_key_that_is_no_list_is_left_alone(strays: StrayMessages, client: Any) -> None:
    client.set("celery", "somebody's text")
    assert strays.count("celery", TASKS) == 0
    assert strays.list_filled(["celery"]) == {}


def test_list_is_known_by_its_oldest_message(strays: StrayMessages, client: Any) -> None:
    client.lpush("celery", write())
    before = strays.list_filled(["celery", "default"])
    assert list(before) == ["celery"]
    client.lpush("celery", write())
    assert strays.list_filled(["celery"]) == before
    client.rpop("celery")
    assert strays.list_filled(["celery"]) != before


def test_each_priority_of_a_queue_has_a_list(client: Any, url: str) -> None:
    client.lpush(f"render_queue{SEPARATOR}3", write())
    client.lpush("video_processing", write(), write("somebody.elses"))
    assert f"render_queue{SEPARATOR}9" in list_names("render_queue")
    assert count_stray_messages(url, ["render_queue", "video_processing"], TASKS) == {
        "render_queue": 1,
        "video_processing": 1,
    }


@pytest.mark.parametrize("broker", [None, "amqp://localhost", "memory://"])
def test_broker_without_prefixes_has_none(broker: str | None) -> None:
    assert count_stray_messages(broker, ["default"], TASKS) == {}
