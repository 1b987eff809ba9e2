"""``cinemill status``: an overview of the server, in eighty columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cinemill.catalog import COMMON_QUEUES
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.terminal import screen

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

TIMES = {"count": 2, "average_seconds": 3.0, "p50_seconds": 2.5, "p90_seconds": 4.0}
STATS: dict[str, Any] = {
    "queue": {
        "by_status": {"failed": 1, "completed": 2, "pending": 12},
        "by_type": {"process_video": 15},
        "by_queue": {"proxy": 7, "ingestion": 5},
        "total": 15,
    },
    "processing_times": {"process_video": {**TIMES, "p99_seconds": 4.5}},
    "outcomes": {
        "caption": {"completed": 5, "failed": 0, "cancelled": 1, "failures": {}},
        "process_video": {
            "completed": 2,
            "failed": 7,
            "cancelled": 0,
            "completion_rate": 2 / 9,
            "failures": {"disk_full": 3, "timed_out": 2, "memory_limit": 1, "unsupported": 1},
        },
    },
    "stuck": [{"id": "397dee33-f172-456c-8304-5e331e980c57"}],
    "hardware": [
        {"node": "celery@one", "encoder": "h264_qsv", "status": "serving", "rests_seconds": None},
        {
            "node": "celery@one",
            "encoder": "av1_qsv",
            "status": "resting",
            "rests_seconds": 60.0,
            "reason": "device lost",
        },
    ],
}
HEALTH = {"status": "degraded", "database": "ok", "redis": "unavailable", "version": "1.2"}
EVERYWHERE = {
    "name": "celery@one",
    "queues": [*COMMON_QUEUES],
    "slots": 4,
    "busy": 3,
    "memory_bytes": 1_500_000_000,
}
PROXIES = {
    "name": "celery@two",
    "queues": ["proxy", "ingestion"],
    "slots": 2,
    "busy": 0,
    "memory_bytes": None,
}


@pytest.fixture
def stats_server(fake_server: LittleServer, monkeypatch: pytest.MonkeyPatch) -> LittleServer:
    monkeypatch.setattr(screen, "PIPE_WIDTH", 80)
    set_workers(fake_server, [EVERYWHERE, PROXIES])
    fake_server.on("GET /api/v1/health", lambda x: x.send_json(HEALTH))
    return fake_server


def set_workers(server: LittleServer, workers: list[dict[str, Any]] | None) -> None:
    server.on("GET /api/v1/stats", lambda x: x.send_json({**STATS, "workers": workers}))


def test_status_shows_health_workers_jobs_queues_and_times(
    stats_server: LittleServer, cinemill: Run
) -> None:
    shown = cinemill("status").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in (
        f"Server {stats_server.url}, version 1.2",
        "Health degraded (database ok, redis unavailable)",
        f"Workers celery@one: 3 of 4 busy, 1.5 GB, on all {len(COMMON_QUEUES)} queues",
        "celery@two: 0 of 2 busy, on proxy, ingestion",
        "Hardware celery@one: h264_qsv serving",
        "celery@one: av1_qsv resting, retested in 1 min 00 s; device lost",
        "Jobs 12 pending, 2 completed, 1 failed",
        "Failed process_video: 7 of 9 in the last 7 days (3 disk_full, 2 timed_out, 1",
        "memory_limit, …)",
        "Stuck 1: 397dee33; see 'cinemill status JOB'",
        "proxy 7 2",
        "ingestion 5 2",
        "All other queues are empty.",
        "process_video 15 2 3.0 s 2.5 s 4.0 s 4.5 s",
    ):
        assert line in lines
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_status_names_queues_without_a_worker(stats_server: LittleServer, cinemill: Run) -> None:
    set_workers(stats_server, [PROXIES])
    shown = " ".join(cinemill("status").stdout.split())
    assert "No worker consumes: runtime, " in shown
    assert "proxy" not in shown.partition("No worker consumes:")[2].partition(".")[0]


def test_status_without_workers_shows_how_to_start_one(
    stats_server: LittleServer, cinemill: Run
) -> None:
    set_workers(stats_server, [])
    assert "none responds; start one with 'cinemill worker'" in cinemill("status").stdout


def set_health(server: LittleServer, **parts: str) -> None:
    server.on("GET /api/v1/health", lambda x: x.send_json({**HEALTH, **parts}))


def test_status_names_the_command_for_queues_without_a_worker(
    stats_server: LittleServer, cinemill: Run
) -> None:
    everything = {**EVERYWHERE, "queues": [*COMMON_QUEUES[:-1]]}
    set_workers(stats_server, [everything])
    shown = " ".join(cinemill("status").stdout.split())
    assert f"Start one with 'cinemill worker --queues {COMMON_QUEUES[-1]}'." in shown


def test_status_knows_what_up_is_starting(stats_server: LittleServer, cinemill: Run) -> None:
    set_workers(stats_server, [])
    set_health(stats_server, workers="starting", relay="starting")
    shown = " ".join(cinemill("status").stdout.split())
    assert "workers starting, relay starting)" in shown
    assert shown.count("'cinemill up' starts it by itself") == 2
    assert "log/worker.out" in shown
    assert "log/beat.out" in shown
    assert "start one with" not in shown


def test_status_without_a_relay_shows_how_to_start_one(
    stats_server: LittleServer, cinemill: Run
) -> None:
    set_health(stats_server, workers="ok", relay="none")
    assert "Relay none responds, so no job starts; start one with 'cinemill beat'" in " ".join(
        cinemill("status").stdout.split()
    )
    set_health(stats_server, workers="ok", relay="ok")
    assert "Relay " not in cinemill("status").stdout


def test_status_without_redis_shows_workers_as_unknown(
    stats_server: LittleServer, cinemill: Run
) -> None:
    set_workers(stats_server, None)
    result = cinemill("status")
    assert result.exit_code == ExitCode.OK, result.output
    assert "unknown: they report to Redis" in result.stdout


def test_status_as_json_is_what_the_server_says(stats_server: LittleServer, cinemill: Run) -> None:
    status = json.loads(cinemill("status", "--json").stdout)
    assert status["workers"] == [EVERYWHERE, PROXIES]
    assert status["health"] == HEALTH
    assert {name: status[name] for name in STATS} == STATS


def test_server_of_an_earlier_version_has_unknown_workers(
    stats_server: LittleServer, cinemill: Run
) -> None:
    earlier = {name: STATS[name] for name in STATS if name != "outcomes"}
    stats_server.on("GET /api/v1/stats", lambda x: x.send_json(earlier))
    assert "unknown: they report to Redis" in cinemill("status").stdout
    assert json.loads(cinemill("status", "--json").stdout)["workers"] is None
