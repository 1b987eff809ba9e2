"""Server-sent events: nothing missed, nothing hanging, whatever Redis does."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from tests.faults.refusals import REFUSALS

from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.valkey import describe_valkey

from .conftest import RunningApi, StartApi, find_free_port


class Watcher:
    """Reads a stream as a browser does: (id, data) for each event, comments left out."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "data" in fields:
                assert fields["event"] == "progress"
                yield fields.get("id", ""), json.loads(fields["data"])
                fields = {}


def watch(api: RunningApi, job_id: str, last_id: str = "") -> Any:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return api.http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers)


def finish(api: RunningApi, job_id: str) -> None:
    api.settle(job_id, "completed", progress="100", message="'Done'", finished_at="now()")


def test_watcher_is_told_at_once_and_to_the_end(api: RunningApi) -> None:
    job_id = api.submit()
    with watch(api, job_id) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = iter(Watcher(response))
        _, waiting = next(events)
        assert waiting["status"] == "pending"
        assert waiting["queue_place"] >= 0
        api.settle(job_id, "running", progress="5")
        api.publish(job_id, "running", 10)
        finish(api, job_id)
        api.publish(job_id, "completed", 100, "Done")
        seen = [(event_id, event["status"], event["progress"]) for event_id, event in events]
    assert [event[1:] for event in seen] == [("running", 10.0), ("completed", 100.0)]
    assert all(event_id for event_id, *_ in seen)


def test_who_was_cut_off_resumes_and_misses_nothing(api: RunningApi) -> None:
    job_id = api.submit()
    api.settle(job_id, "running")
    for percent in (10, 20, 30):
        api.publish(job_id, "running", percent)
    with watch(api, job_id) as response:
        last_id, first = next(iter(Watcher(response)))
    assert first["progress"] == 10
    api.publish(job_id, "running", 40)
    finish(api, job_id)
    api.publish(job_id, "completed", 100)
    with watch(api, job_id, last_id) as response:
        rest = [event["progress"] for _, event in Watcher(response)]
    assert rest == [20, 30, 40, 100]


def test_silence_is_filled_by_the_row(api: RunningApi) -> None:
    job_id = api.submit()
    api.settle(job_id, "running", progress="33", expected_end="now() + interval '40 seconds'")
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        next(events)
        event_id, event = next(events)
    assert event_id == ""
    assert event["progress"] == 33
    assert event["seconds_left"] in (35, 40)


def test_running_bar_does_not_fall_back_behind_what_was_told(api: RunningApi) -> None:
    job_id = api.submit()
    api.settle(job_id, "running", progress="5")
    api.publish(job_id, "running", 60, "Encoding the preview copy")
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        assert next(events)[1]["progress"] == 60
        _, by_row = next(events)
    assert by_row["progress"] == 60
    assert by_row["message"] == "Encoding the preview copy"


def test_row_that_is_ahead_is_not_taken_back_by_an_older_event(api: RunningApi) -> None:
    """Nor after a reconnect: the event by the row had no id to resume from."""
    job_id = api.submit()
    api.publish(job_id, "running", 20)
    api.settle(job_id, "running", progress="45")
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        last_id, first = next(events)
        assert first["progress"] == 20
        assert next(events)[1]["progress"] == 45
        api.publish(job_id, "running", 44)
        assert next(events)[1]["progress"] == 45
    with watch(api, job_id, last_id) as response:
        assert next(iter(Watcher(response)))[1]["progress"] == 45


def test_end_of_an_earlier_try_is_not_the_end(api: RunningApi) -> None:
    job_id = api.submit()
    api.publish(job_id, "failed", 50, "It broke")
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        assert next(events)[1]["status"] == "pending"
        finish(api, job_id)
        api.publish(job_id, "completed", 100)
        assert [event["status"] for _, event in events] == ["completed"]


def test_ended_job_without_a_stream_is_told_by_its_row(api: RunningApi) -> None:
    job_id = api.submit()
    api.http.post(f"/api/v1/jobs/{job_id}/cancel", json={"reason": "no need"})
    with redis.Redis.from_url(api.redis_url) as server:
        server.delete(f"task_events:{job_id}")
    with watch(api, job_id, "1700000000000-0") as response:
        assert [event["status"] for _, event in Watcher(response)] == ["cancelled"]


def test_id_that_is_none_starts_at_the_beginning(api: RunningApi) -> None:
    job_id = api.submit()
    api.publish(job_id, "running", 10)
    finish(api, job_id)
    api.publish(job_id, "completed", 100)
    with watch(api, job_id, "not-an-id") as response:
        assert [event["progress"] for _, event in Watcher(response)] == [10, 100]


def test_watch_ends_when_its_job_is_deleted(api: RunningApi) -> None:
    job_id = api.submit()
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        next(events)
        api.http.post(f"/api/v1/jobs/{job_id}/cancel")
        assert list(events)[-1][1]["status"] == "cancelled"


def test_without_redis_the_row_speaks(start_api: StartApi) -> None:
    api = start_api(REDIS_URL=f"redis://127.0.0.1:{find_free_port()}/0")
    api.wait_for_health(status="degraded")
    job_id = api.submit()
    with watch(api, job_id) as response:
        events = iter(Watcher(response))
        assert next(events)[1]["status"] == "pending"
        finish(api, job_id)
        assert [event["status"] for _, event in events][-1] == "completed"


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[str]:
    """The URL of one of this test's own: no other test must be refused anything."""
    server = describe_valkey(tmp_path / "valkey")
    process = RunningServer(
        "Valkey", server.command, server.is_ready, tmp_path / "log", signal.SIGTERM
    )
    process.start()
    yield server.url
    process.kill()


def test_where_redis_refuses_health_says_so_and_the_row_speaks(
    start_api: StartApi, own_valkey: str
) -> None:
    api = start_api(REDIS_URL=own_valkey)
    for refusal in REFUSALS.values():
        job_id = api.submit()
        with refusal(own_valkey):
            answer = api.wait_for_health(status="degraded", redis="refusing")
            assert answer.status_code == 200, "rows are written, and running jobs continue"
            with watch(api, job_id) as response:
                events = iter(Watcher(response))
                assert next(events)[1]["status"] == "pending"
                finish(api, job_id)
                assert [event["status"] for _, event in events][-1] == "completed"
        api.wait_for_health(redis="ok")


@pytest.mark.parametrize("prefix", ["/api/v1", ""])
def test_watch_without_an_event_ends_when_its_job_is_deleted(api: RunningApi, prefix: str) -> None:
    job_id = api.submit()
    after_all = {"Last-Event-ID": "99999999999999-0"}
    path = f"{prefix}/jobs/{job_id}/events"
    with api.http.stream("GET", path, headers=after_all) as response:
        events = iter(Watcher(response))
        assert next(events)[1]["status"] == "pending"
        api.http.post(f"/task/{job_id}/cleanup").raise_for_status()
        last = [data for _, data in events][-1]
    assert (last["status"], last["message"]) == ("cancelled", "The job was deleted")


@pytest.mark.parametrize(
    "strange",
    [
        {"status": "paused"},
        {"status": "completed", "progress": "all"},
        {"progress": 50},
    ],
    ids=["unknown status", "end with another progress", "no status"],
)
@pytest.mark.parametrize("prefix", ["/api/v1", ""])
def test_event_of_another_version_does_not_end_the_stream(
    api: RunningApi, strange: dict[str, object], prefix: str
) -> None:
    job_id = api.submit()
    api.publish(job_id, "running", 10)
    with redis.Redis.from_url(api.redis_url) as server:
        stream = next(
            key for key in server.scan_iter(f"*{job_id}*") if server.type(key) == b"stream"
        )
        (_, fields), *_ = server.xrange(stream)
        (name,) = fields
        server.xadd(stream, {name: json.dumps({"task_id": job_id, **strange})})
    # The end is in the row alone.
    api.settle(job_id, "completed", progress="100", finished_at="now()")
    with api.http.stream("GET", f"{prefix}/jobs/{job_id}/events") as response:
        assert [data["status"] for _, data in Watcher(response)][-1] == "completed"
