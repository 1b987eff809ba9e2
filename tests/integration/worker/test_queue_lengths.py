"""``LLEN render_queue``: as many as jobs wait that scripts of a render farm would find there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from celery import Celery
from tests.integration.worker.conftest import Stack
from tests.messages import make_message
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.storage.adoption.queue_lengths import PLACEHOLDER, QueueLists

RENDER = {
    "scenes": [{"video_path": "/none.mp4", "start_time": 0, "end_time": 1}],
    "output_format": {"width": 320, "height": 180, "fps": 25},
}


@pytest.fixture
def keys(stack: Stack) -> Iterator[Any]:
    with redis.Redis.from_url(str(stack.app.conf.broker_url), decode_responses=True) as opened:
        yield opened


@pytest.fixture
def waiting(stack: Stack) -> Iterator[list[str]]:
    """Yield three renders that begin tomorrow; they are cancelled afterwards."""
    eta = datetime.now(UTC) + timedelta(days=1)
    task = stack.app.tasks["render_video_task"]
    ids = [task.apply_async(args=[RENDER], eta=eta).id for _ in range(3)]
    yield ids
    for job_id in ids:
        if not stack.service.get_job(job_id).state.is_final:
            stack.service.cancel_job(job_id)


def test_length_is_that_of_what_waits(stack: Stack, keys: Any, waiting: list[str]) -> None:
    wait_until(lambda: keys.llen("render_queue") == 3)
    stack.service.cancel_job(waiting[0])
    wait_until(lambda: keys.llen("render_queue") == 2)
    for job_id in waiting[1:]:
        stack.service.cancel_job(job_id)
    wait_until(lambda: keys.llen("render_queue") == 0)


def test_messages_of_stock_clients_are_adopted_all_the_same(
    stack: Stack, keys: Any, waiting: list[str]
) -> None:
    wait_until(lambda: keys.llen("render_queue") == len(waiting))
    message = make_message("get_queue_stats")
    keys.lpush("render_queue", json.dumps(message))
    result = stack.app.AsyncResult(message["headers"]["id"])
    assert "total" in result.get(timeout=PATIENCE_SECONDS)
    wait_until(lambda: keys.llen("render_queue") == len(waiting))


def test_lists_are_filled_again_after_a_flush(stack: Stack, keys: Any, waiting: list[str]) -> None:
    wait_until(lambda: keys.llen("render_queue") == len(waiting))
    keys.delete("render_queue")
    wait_until(lambda: keys.llen("render_queue") == len(waiting))


@pytest.fixture
def lists(stack: Stack) -> Iterator[QueueLists]:
    opened = QueueLists(str(stack.app.conf.broker_url))
    yield opened
    opened.close()


def test_what_others_put_there_stays(lists: QueueLists, keys: Any) -> None:
    name = "test_queue"
    keys.delete(name)
    keys.lpush(name, "oldest", "newer")
    lists.fill({name: 2500})
    keys.lpush(name, "newest")
    lists.fill({name: 3})
    assert keys.lrange(name, 0, -1) == [PLACEHOLDER] * 3 + ["newest", "newer", "oldest"]
    lists.fill({name: 0})
    assert keys.lrange(name, 0, -1) == ["newest", "newer", "oldest"]
    keys.delete(name)


def test_key_that_is_no_list_is_left_alone(lists: QueueLists, keys: Any) -> None:
    keys.set("test_queue", "text")
    assert lists.list_short({"test_queue": 3}) == set()
    lists.fill({"test_queue": 3})
    assert keys.get("test_queue") == "text"
    keys.delete("test_queue")


def test_celery_reads_a_placeholder_as_a_message_that_has_expired(stack: Stack, keys: Any) -> None:
    """A stock worker that takes one by chance goes on."""
    keys.delete("test_queue")
    keys.lpush("test_queue", PLACEHOLDER)
    app = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    with app.connection_for_read() as connection:
        message = connection.SimpleQueue("test_queue").get(timeout=5)
        assert message.headers["task"] == "cinemill.waiting"
        assert message.headers["expires"].startswith("2000")
        message.ack()
    app.close()
