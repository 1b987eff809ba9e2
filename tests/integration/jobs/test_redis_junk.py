"""What others write into Redis under our keys: it costs a moment at most, and never for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
import redis

from cinemill.catalog import CATALOG
from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure, Progress
from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Rate
from cinemill.jobs.events import Event, EventPublisher, EventReader, status_key, stream_key
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.storage.cache.store import LOOKUPS_KEY, CacheStore, Lookup
from cinemill.storage.jobs.refused_messages import KEY as REFUSED_KEY
from cinemill.storage.jobs.refused_messages import RefusedMessages, parse_entry
from cinemill.storage.metrics.live_workers import (
    LARGEST_REPORT_BYTES,
    NODES_KEY,
    LiveWorker,
    LiveWorkers,
)

JUNK: dict[str, Callable[[redis.Redis, str], object]] = {
    "text": lambda client, key: client.set(key, "junk"),
    "bytes": lambda client, key: client.set(key, b"\xff\x00\xfe"),
    "large": lambda client, key: client.set(key, b"9" * 10_000_000),
    "not a number": lambda client, key: client.set(key, "nan"),
    "far away": lambda client, key: client.set(key, "1e300"),
    "JSON": lambda client, key: client.set(key, "[" * 100_000),
    "list": lambda client, key: client.lpush(key, b"\xff", "x" * 1_000_000),
    "hash": lambda client, key: client.hset(key, mapping={"results:hit": "many", "\x00": "1"}),
    "set": lambda client, key: client.sadd(key, b"\xff", "x" * 1_000_000, ""),
    "sorted set": lambda client, key: client.zadd(key, {"a": 1.0}),
    "stream": lambda client, key: client.xadd(key, {"a": "b"}, id=f"{2**64 - 1}-{2**64 - 1}"),
}


@pytest.fixture(params=list(JUNK.values()), ids=list(JUNK))
def put_junk(request: pytest.FixtureRequest, client: redis.Redis) -> Callable[[str], object]:
    def put(key: str) -> object:
        client.delete(key)
        return request.param(client, key)

    return put


PutJunk = Callable[[str], object]


@pytest.fixture
def client(own_redis: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_redis) as client:
        yield client


def read_events(url: str, job_id: str, after_id: str = "0") -> list[Event]:
    async def read() -> list[Event]:
        reader = EventReader(url)
        try:
            assert await reader.judge_health() == "ok"
            await reader.read_status(job_id)
            return await reader.read_after(job_id, after_id, block_seconds=0.01)
        finally:
            await reader.close()

    return asyncio.run(read())


def test_events_are_published_where_something_else_was(own_redis: str, put_junk: PutJunk) -> None:
    job_id, publisher = str(uuid4()), EventPublisher(own_redis, catalog=CATALOG)
    try:
        for key in (stream_key(job_id), status_key(job_id)):
            put_junk(key)
        for state in ("running", "completed"):
            assert publisher.publish_now(Progress(job_id, "work", state, 50.0, "Working"))
        assert publisher.judge_health() == "ok"
    finally:
        publisher.close()
    assert [event.progress["status"] for event in read_events(own_redis, job_id)][-1] == "completed"


def test_what_is_no_stream_of_events_is_not_read(own_redis: str, put_junk: PutJunk) -> None:
    job_id = str(uuid4())
    for key in (stream_key(job_id), status_key(job_id)):
        put_junk(key)
    with suppress(RedisUnavailable):  # then the row is sent instead
        assert [event.progress for event in read_events(own_redis, job_id)] in ([], [{}])


EVENT = {"task_id": "x", "status": "running", "progress": 1, "message": "", "stage": ""}


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"",
        b"[" * 60_000,
        b"[1]",
        b"null",
        b"7",
        json.dumps({**EVENT, "status": ["running"]}).encode(),
        json.dumps({**EVENT, "status": None}).encode(),
        json.dumps({**EVENT, "progress": "50"}).encode(),
        json.dumps({**EVENT, "progress": float("nan")}).encode(),
        json.dumps({**EVENT, "message": "\ud800"}).encode(),
        json.dumps({**EVENT, "message": {"a": 1}}).encode(),
        json.dumps({**EVENT, "message": "x" * 1_000_000}).encode(),
    ],
)
def test_entry_that_is_no_event_is_passed_over(
    own_redis: str, client: redis.Redis, data: bytes
) -> None:
    job_id = str(uuid4())
    ids = [client.xadd(stream_key(job_id), {"data": one}) for one in (data, json.dumps(EVENT))]
    client.xadd(stream_key(job_id), {"other": "field"})
    found = read_events(own_redis, job_id)
    assert [event.progress for event in found] == [{}, {**EVENT, "task_id": job_id}, {}]
    assert [event.id.encode() for event in found[:2]] == ids
    assert read_events(own_redis, job_id, found[-1].id) == []


def test_rate_limit_counts_on(own_redis: str, put_junk: PutJunk) -> None:
    limiter, rate = RateLimiter(own_redis), Rate(1, 60)
    try:
        put_junk("cinemill:rate:work")
        # A number may be a start that Redis' former clock admitted just now: it counts for once.
        assert limiter.admit("work", rate) <= 60
        assert 50 < limiter.admit("work", rate) <= 60
    finally:
        limiter.close()


def test_start_that_a_former_clock_admitted_blocks_for_one_interval_at_most(
    own_redis: str, client: redis.Redis
) -> None:
    limiter = RateLimiter(own_redis)
    try:
        client.set("cinemill:rate:work", "99999999999")
        assert limiter.admit("work", Rate(1, 60)) <= 60
    finally:
        limiter.close()


WORKER = LiveWorker("a@b", "b", 2, 1, ("default",))


def test_workers_report_again(own_redis: str, put_junk: PutJunk) -> None:
    reports = LiveWorkers(own_redis)
    try:
        put_junk(NODES_KEY)
        put_junk(LOOKUPS_KEY)
        reports.list_workers()
        assert reports.read_figures().cache_lookups == {}
        reports.write(WORKER)
        assert WORKER in reports.list_workers()
        put_junk("cinemill:worker:a@b")
        assert reports.list_workers() == []
    finally:
        reports.close()


@pytest.mark.parametrize(
    "change",
    [
        {"node": "c@d"},
        {"slots": 10**30},
        {"busy": -1},
        {"host": "a\x00"},
        {"host": "\ud800"},
        {"queues": ["x" * 300]},
        {"memory_bytes": 1.5},
        {"gpus": [{"index": 0, "name": "", "utilization": float("nan"), "memory_used": 0}]},
        {"host": "x" * LARGEST_REPORT_BYTES},
    ],
)
def test_report_of_another_form_is_none(
    own_redis: str, client: redis.Redis, change: dict[str, object]
) -> None:
    reports = LiveWorkers(own_redis)
    report = {"node": "a@b", "host": "b", "slots": 2, "busy": 1, "queues": ["default"]}
    try:
        client.sadd(NODES_KEY, "a@b")
        client.set("cinemill:worker:a@b", json.dumps({**report, **change}))
        assert reports.list_workers() == []
    finally:
        reports.close()


def test_caches_go_on(own_redis: str, put_junk: PutJunk, client: redis.Redis) -> None:
    store = CacheStore(own_redis)
    try:
        put_junk(LOOKUPS_KEY)
        store.count("results", Lookup.HIT)
        assert store.write("cinemill:test", b"value", ttl_seconds=60)
        assert store.read("cinemill:test", most_bytes=10) == (Lookup.HIT, b"value")
        store.count("results", Lookup.MISS)
        assert client.hget(LOOKUPS_KEY, "results:miss") == b"1"
    finally:
        store.close()


def test_refused_messages_pass(own_redis: str, put_junk: PutJunk) -> None:
    refused = RefusedMessages(own_redis)
    try:
        put_junk(REFUSED_KEY)
        reason = Failure("message_malformed", "It is none.", "", retryable=False)
        message = DeadMessage.make(queue="default", failure=reason, excerpt="", size_bytes=2)
        refused.put(message)
        found = refused.peek(100)
        assert [one.id for one in map(parse_entry, found) if one] == [message.id]
        assert sum(map(len, found)) < 1_000_000
        for entry in found:
            refused.remove(entry)
        assert refused.peek(100) == []
    finally:
        refused.close()
