"""``cinemill status``: an overview of the server, in eighty columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cinemill.catalog import COMMON_QUEUES
from cinemill.cli import console
from cinemill.cli.commands import overview
from cinemill.cli.exit_codes import ExitCode
from cinemill.worker.inspection import WorkerReport

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
EVERYWHERE = WorkerReport("celery@one", COMMON_QUEUES, slots=4, busy=3)
PROXIES = WorkerReport("celery@two", ("proxy", "ingestion"), slots=2, busy=0)


@pytest.fixture
def stats_server(fake_server: LittleServer, monkeypatch: pytest.MonkeyPatch) -> LittleServer:
    monkeypatch.setattr(console, "PIPE_WIDTH", 80)
    fake_server.on("GET /api/v1/stats", lambda x: x.send_json(STATS))
    fake_server.on("GET /api/v1/health", lambda x: x.send_json(HEALTH))
    return fake_server


def set_workers(monkeypatch: pytest.MonkeyPatch, *reports: WorkerReport) -> None:
    monkeypatch.setattr(overview, "query_workers", lambda: list(reports))


def test_status_shows_health_workers_jobs_queues_and_times(
    stats_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_workers(monkeypatch, EVERYWHERE, PROXIES)
    shown = cinemill("status").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in (
        f"Server {stats_server.url}, version 1.2",
        "Health degraded (database ok, redis unavailable)",
        f"Workers celery@one: 3 of 4 busy, on all {len(COMMON_QUEUES)} queues",
        "celery@two: 0 of 2 busy, on proxy, ingestion",
        "Hardware celery@one: h264_qsv serving",
        "celery@one: av1_qsv resting, retested in 1 min 00 s; device lost",
        "Jobs 12 pending, 2 completed, 1 failed",
        "Stuck 1: 397dee33; see 'cinemill status JOB'",
        "proxy 7 2",
        "ingestion 5 2",
        "All other queues are empty.",
        "process_video 15 2 3.0 s 2.5 s 4.0 s 4.5 s",
    ):
        assert line in lines
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_status_names_queues_without_a_worker(
    stats_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_workers(monkeypatch, PROXIES)
    shown = " ".join(cinemill("status").stdout.split())
    assert "No worker consumes: runtime, " in shown
    assert "proxy" not in shown.partition("No worker consumes:")[2].partition(".")[0]


def test_status_without_workers_shows_how_to_start_one(
    stats_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_workers(monkeypatch)
    assert "none responds; start one with 'cinemill worker'" in cinemill("status").stdout


def test_status_of_another_machine_shows_workers_as_unknown(
    stats_server: LittleServer, cinemill: Run
) -> None:
    result = cinemill("status")
    assert result.exit_code == ExitCode.OK, result.output
    assert "unknown: run this command" in result.stdout
    status = json.loads(cinemill("status", "--json").stdout)
    assert status["workers"] is None
    assert status["health"] == HEALTH
    assert status["queue"] == STATS["queue"]


def test_status_with_unreachable_broker_shows_workers_as_unknown(
    stats_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert "unknown: run this command" in cinemill("status").stdout
