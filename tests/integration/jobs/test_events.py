"""The events that watchers receive through Redis, to the letter of the contract."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import redis
from tests.integration.jobs.bench import Bench, do_nothing
from tests.integration.jobs.engine import Engine
from tests.waiting import PATIENCE_SECONDS

from cinemill.catalog import CATALOG
from cinemill.core.job import Progress
from cinemill.errors import RedisUnavailable
from cinemill.jobs import events
from cinemill.jobs.events import (
    EVENTS_KEPT,
    EVENTS_KEPT_AT_END,
    LEAST_INTERVAL_SECONDS,
    Event,
    EventPublisher,
    EventReader,
)

NOWHERE = "redis://127.0.0.1:1/0"


def make_progress(job_id: str, progress: float, **changes: Any) -> Progress:
    values = {"status": "running", "message": "Encoding the preview copy", "stage": "prepare"}
    return Progress(job_id, progress=progress, **{"job_kind": "work", **values, **changes})


@pytest.fixture
def job_id() -> str:
    return str(uuid4())


@pytest.fixture
def client(own_redis: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_redis, decode_responses=True) as client:
        yield client


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[EventReader]:
    reader = EventReader(url)
    try:
        yield reader
    finally:
        await reader.close()


def ask(url: str, question: Callable[[EventReader], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with reading(url) as reader:
            return await question(reader)

    return asyncio.run(run())


def read_after(url: str, job_id: str, after_id: str = "0") -> list[Event]:
    found: list[Event] = ask(url, lambda r: r.read_after(job_id, after_id, block_seconds=0.05))
    return found


@contextmanager
def listening(client: redis.Redis, channel: str) -> Iterator[Any]:
    """Subscribed, and the server has said so."""
    pubsub: Any = client.pubsub()  # type: ignore[no-untyped-call]
    with pubsub as subscription:
        subscription.subscribe(channel)
        assert subscription.get_message(timeout=PATIENCE_SECONDS) is not None
        yield subscription


def next_message(subscription: Any) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        message = subscription.get_message(ignore_subscribe_messages=True, timeout=0.5)
        if message is not None:
            return dict(message)
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("kind", "channel"),
    [("work", "task_progress"), ("analyse", "task_progress"), ("analyse", "analysis")],
)
def test_channel_carries_status_progress_and_message(
    sink: EventPublisher, client: redis.Redis, job_id: str, kind: str, channel: str
) -> None:
    with listening(client, f"{channel}:{job_id}") as subscription:
        assert sink.publish(make_progress(job_id, 41.25, job_kind=kind))
        event = json.loads(next_message(subscription)["data"])
    assert event["status"] == "running"
    assert event["progress"] == 41.2
    assert event["message"] == "Encoding the preview copy"
    assert event["stage"] == "prepare"


@pytest.mark.parametrize("kind", ["work", "a kind of long ago"])
def test_only_analyses_have_the_channel_of_analyses(
    sink: EventPublisher, client: redis.Redis, job_id: str, kind: str
) -> None:
    with listening(client, f"analysis:{job_id}") as subscription:
        sink.publish_now(make_progress(job_id, 1, job_kind=kind))
        sink.publish_now(make_progress(job_id, 2, job_kind="analyse"))
        assert json.loads(next_message(subscription)["data"])["progress"] == 2


def test_analysis_is_published_on_its_channel_while_it_runs_and_when_it_ends(
    bench: Bench, engine: Engine, client: redis.Redis
) -> None:
    bench.handlers["work"] = do_nothing
    job = bench.service.create_job("analyse")
    with listening(client, f"analysis:{job.id}") as subscription:
        bench.execute(job)
        engine.dispatcher.announce_changes()
        statuses = [json.loads(next_message(subscription)["data"])["status"] for _ in range(2)]
    assert statuses == ["running", "completed"]


def test_key_holds_the_same_as_the_channel_the_latest_and_for_a_day(
    sink: EventPublisher, client: redis.Redis, job_id: str
) -> None:
    with listening(client, f"task_progress:{job_id}") as subscription:
        sink.publish_now(make_progress(job_id, 10))
        sink.publish_now(make_progress(job_id, 20))
        assert next_message(subscription)["data"] != client.get(f"task_status:{job_id}")
        assert next_message(subscription)["data"] == client.get(f"task_status:{job_id}")
    assert 0 < int(str(client.ttl(f"task_status:{job_id}"))) <= 24 * 3600


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_last_event_says_how_the_job_ended(
    sink: EventPublisher, own_redis: str, job_id: str, status: str
) -> None:
    sink.publish(make_progress(job_id, 99))
    sink.publish_now(make_progress(job_id, 100, status=status))
    assert ask(own_redis, lambda reader: reader.read_status(job_id))["status"] == status


def test_job_without_events_has_no_status(own_redis: str, job_id: str) -> None:
    assert ask(own_redis, lambda reader: reader.read_status(job_id)) is None
    assert read_after(own_redis, job_id) == []


def test_subscriber_that_then_reads_the_key_misses_nothing(
    sink: EventPublisher, client: redis.Redis, job_id: str
) -> None:
    """Whenever a watcher comes, key and channel together give every event from there on."""
    last = 120
    speaking = threading.Event()

    def speak() -> None:
        for number in range(last + 1):
            sink.publish_now(make_progress(job_id, number))
            if number == 20:
                speaking.set()

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert speaking.wait(PATIENCE_SECONDS)
    with listening(client, f"task_progress:{job_id}") as subscription:
        known = json.loads(str(client.get(f"task_status:{job_id}")))["progress"]
        received = [known]
        while received[-1] < last:
            published = json.loads(next_message(subscription)["data"])["progress"]
            if published > known:
                received.append(published)
    speaker.join()
    assert received == [float(number) for number in range(int(known), last + 1)]


def test_events_are_published_at_most_four_times_a_second(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    asked: list[tuple[float, bool, float]] = []  # each with the moments before and after it
    while sum(is_sent for _, is_sent, _ in asked) < 5 or all(is_sent for _, is_sent, _ in asked):
        before = time.monotonic()
        is_sent = sink.publish(make_progress(job_id, len(asked)))
        asked.append((before, is_sent, time.monotonic()))
        time.sleep(0.005)
    sent = [(before, after) for before, is_sent, after in asked if is_sent]
    assert len(read_after(own_redis, job_id)) == len(sent)
    for (before, _), (_, after) in pairwise(sent):
        assert after - before >= LEAST_INTERVAL_SECONDS


def test_change_of_state_is_published_regardless_of_the_rate_limit(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    assert sink.publish(make_progress(job_id, 99))
    assert not sink.publish(make_progress(job_id, 99.5))
    assert sink.publish_now(make_progress(job_id, 100, status="completed"))
    assert [event.progress["progress"] for event in read_after(own_redis, job_id)] == [99, 100]


def test_one_job_does_not_silence_another(sink: EventPublisher) -> None:
    assert all(sink.publish(make_progress(str(uuid4()), 1)) for _ in range(20))


def test_watcher_that_was_cut_off_goes_on_after_the_last_it_saw(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    for number in range(6):
        sink.publish_now(make_progress(job_id, number))
    seen = read_after(own_redis, job_id)
    assert [event.progress["progress"] for event in seen] == [0, 1, 2, 3, 4, 5]
    resumed = read_after(own_redis, job_id, after_id=seen[2].id)
    assert resumed == seen[3:]


def test_watcher_is_woken_by_the_next_event(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    async def watch() -> Event:
        async with reading(own_redis) as reader:
            # Only the event can end this: the waiting itself takes longer than a test may.
            waiting = asyncio.create_task(reader.read_after(job_id, "0", block_seconds=3600))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(sink.publish, make_progress(job_id, 7))
            (event,) = await waiting
            return event

    assert asyncio.run(watch()).progress["progress"] == 7


def test_follower_receives_every_event_in_order_and_every_timeout(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    async def follow() -> list[float | None]:
        received: list[float | None] = []
        async with reading(own_redis) as reader:
            async for event in reader.follow(job_id, block_seconds=0.05):
                received.append(None if event is None else event.progress["progress"])
                if event is None:
                    if 1.0 in received:
                        return received
                    await asyncio.to_thread(sink.publish_now, make_progress(job_id, 0))
                    await asyncio.to_thread(sink.publish_now, make_progress(job_id, 1))
        return received

    assert asyncio.run(follow()) == [None, 0, 1, None]


def test_event_history_is_bounded(sink: EventPublisher, client: redis.Redis, job_id: str) -> None:
    for number in range(EVENTS_KEPT + 300):
        sink.publish_now(make_progress(job_id, number))
    assert int(str(client.xlen(f"task_events:{job_id}"))) <= EVENTS_KEPT + 150


def test_deleted_events_are_gone(sink: EventPublisher, client: redis.Redis, job_id: str) -> None:
    sink.publish(make_progress(job_id, 1))
    sink.forget(job_id)
    assert client.keys(f"*{job_id}*") == []


def test_event_messages_of_any_language_arrive(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    sink.publish(make_progress(job_id, 1, message="Вырезаю кадры 🎞"))
    (event,) = read_after(own_redis, job_id)
    assert event.progress["message"] == "Вырезаю кадры 🎞"


def test_work_goes_on_where_redis_is_away(job_id: str) -> None:
    sink = EventPublisher(NOWHERE, catalog=CATALOG)
    for number in range(1000):
        assert not sink.publish_now(make_progress(job_id, number))
    sink.forget(job_id)
    sink.close()


def test_watcher_gets_an_error_while_redis_is_away(job_id: str) -> None:
    with pytest.raises(RedisUnavailable):
        ask(NOWHERE, lambda reader: reader.read_status(job_id))
    with pytest.raises(RedisUnavailable):
        read_after(NOWHERE, job_id)


def test_redis_that_hangs_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not counted from before the attempt, which may take longer than that while to fail."""
    monkeypatch.setattr(events, "SOCKET_TIMEOUT_SECONDS", 5.0)
    monkeypatch.setattr(events, "PAUSE_AFTER_FAULT_SECONDS", 4.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = EventPublisher(f"redis://127.0.0.1:{server.getsockname()[1]}/0", catalog=CATALOG)
        news = Progress("job", "process_video", "running", 1.0, "Working")
        assert not sink.publish_now(news)
        server.settimeout(0.2)
        with suppress(TimeoutError):
            while True:
                server.accept()[0].close()
        assert not sink.publish_now(news)
        with pytest.raises(TimeoutError):
            server.accept()
        sink.close()


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_of_an_ended_job_only_the_last_events_are_kept_and_for_an_hour(
    sink: EventPublisher, client: redis.Redis, own_redis: str, job_id: str, status: str
) -> None:
    for number in range(99):
        sink.publish_now(make_progress(job_id, number))
    seen = read_after(own_redis, job_id)
    sink.publish_now(make_progress(job_id, 100, status=status))

    kept = read_after(own_redis, job_id)
    assert len(kept) == EVENTS_KEPT_AT_END
    assert kept[-1].progress["status"] == status
    assert kept[:-1] == seen[-EVENTS_KEPT_AT_END + 1 :], "with the ids that they had"
    assert 0 < int(str(client.ttl(f"task_events:{job_id}"))) <= 3600
    assert 3600 < int(str(client.ttl(f"task_status:{job_id}"))) <= 24 * 3600
    resumed = read_after(own_redis, job_id, after_id=seen[0].id)
    assert resumed == kept, "a follower with an id of long ago receives the end"


def test_retried_job_publishes_events_as_before(
    sink: EventPublisher, client: redis.Redis, own_redis: str, job_id: str
) -> None:
    sink.publish_now(make_progress(job_id, 50, status="failed"))
    for number in range(30):
        sink.publish_now(make_progress(job_id, number))
    statuses = [event.progress["status"] for event in read_after(own_redis, job_id)]
    assert statuses == ["failed", *["running"] * 30]
    assert 3600 < int(str(client.ttl(f"task_events:{job_id}"))) <= 24 * 3600


def test_watcher_who_waits_at_the_end_is_woken_by_it(
    sink: EventPublisher, own_redis: str, job_id: str
) -> None:
    """The stream is written again meanwhile."""
    for number in range(50):
        sink.publish_now(make_progress(job_id, number))
    (*_, last) = read_after(own_redis, job_id)

    async def watch() -> list[Event]:
        async with reading(own_redis) as reader:
            waiting = asyncio.create_task(reader.read_after(job_id, last.id, block_seconds=60))
            await asyncio.sleep(0.2)
            end = make_progress(job_id, 100, status="completed")
            await asyncio.to_thread(sink.publish_now, end)
            return await waiting

    assert [event.progress["status"] for event in asyncio.run(watch())] == ["completed"]
