"""A Redis in which others have written: health, figures and event streams are still there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
import redis
from websockets.sync.client import connect

from cinemill.catalog import QUEUES
from cinemill.jobs.adoption.names import list_queue_names
from cinemill.jobs.events import status_key, stream_key
from cinemill.storage.cache.store import LOOKUPS_KEY
from cinemill.storage.jobs.stray_messages import list_names
from cinemill.storage.metrics.live_workers import NODES_KEY

from .conftest import RunningApi
from .test_sockets import request_analysis

FOREVER = f"{2**64 - 1}-{2**64 - 1}"
JUNK: dict[str, Callable[[redis.Redis, str], object]] = {
    "text": lambda client, key: client.set(key, b"\xff\x00"),
    "list": lambda client, key: client.rpush(key, b"\xff", "[" * 5000, '{"headers": {"task": []}}'),
    "large list": lambda client, key: client.rpush(key, b"x" * 20_000_000),
    "hash": lambda client, key: client.hset(key, "results:hit", b"\xff"),
    "set": lambda client, key: client.sadd(key, b"\xff", "\x00"),
    "sorted set": lambda client, key: client.zadd(key, {"a": 1.0}),
    "stream": lambda client, key: client.xadd(key, {"data": b"\xff"}, id=FOREVER),
}


@pytest.fixture(params=list(JUNK.values()), ids=list(JUNK))
def put_junk(request: pytest.FixtureRequest, api: RunningApi) -> Iterator[Callable[..., None]]:
    written: list[str] = []
    with redis.Redis.from_url(api.redis_url) as client:

        def put(*keys: str) -> None:
            for key in keys:
                client.delete(key)
                request.param(client, key)
                written.append(key)

        yield put
        client.delete(*written)


PutJunk = Callable[..., None]


def test_health_and_figures_are_there(api: RunningApi, put_junk: PutJunk) -> None:
    queues = [name for queue in list_queue_names(QUEUES) for name in list_names(queue)]
    put_junk(NODES_KEY, LOOKUPS_KEY, "cinemill:health", "system_resources", *queues[:3], "default")
    answer = api.wait_for_health(redis="ok", database="ok")
    assert answer.status_code == 200
    assert api.http.get("/api/v1/stats").json()["workers"] == []
    metrics = api.http.get("/metrics")
    assert 'cinemill_component_up{component="redis"} 1.0' in metrics.text


def test_streams_end_with_the_job(api: RunningApi, put_junk: PutJunk) -> None:
    job_id = request_analysis(api)
    put_junk(stream_key(job_id), status_key(job_id))
    api.settle(job_id, "cancelled", finished_at="now()")
    for path in (f"/api/v1/jobs/{job_id}/events", f"/jobs/{job_id}/events"):
        assert '"status": "cancelled"' in api.http.get(path).text
    headers = {"Authorization": f"Bearer {api.token}"}
    address = f"ws://127.0.0.1:{api.port}/api/v1/analyses/{job_id}/ws"
    with connect(address, additional_headers=headers) as socket:
        assert json.loads(socket.recv())["status"] == "cancelled"


@pytest.mark.parametrize("message", ["\ud800", 7, None, "x" * 100_000])
def test_event_that_cannot_be_sent_is_passed_over(api: RunningApi, message: object) -> None:
    job_id = api.submit()
    event = {"task_id": str(uuid4()), "status": "running", "progress": 9, "message": message}
    with redis.Redis.from_url(api.redis_url) as client:
        client.xadd(stream_key(job_id), {"data": json.dumps({**event, "stage": ""})})
    api.publish(job_id, "running", 70.0)
    api.settle(job_id, "cancelled", finished_at="now()")
    for path in (f"/api/v1/jobs/{job_id}/events", f"/jobs/{job_id}/events"):
        text = api.http.get(path).text
        assert '"progress": 70.0' in text
        assert '"progress": 9' not in text
