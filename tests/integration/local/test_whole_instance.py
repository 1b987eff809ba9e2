"""A whole instance as a person runs it: started, a service killed, stopped; and killed itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from celery import Celery
from tests.processes import is_alive, processes_of
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import Settings, apply_running_instance, load
from cinemill.errors import DatabaseUnavailable, RedisUnavailable
from cinemill.local import instance
from cinemill.local.servers.health import find_free_port, http_is_ready
from cinemill.worker.app_factory import build_app

UP = (sys.executable, "-c", "from cinemill.cli.main import run; run()", "up")
SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")


# As 'up' does, but with shorter limits for services that are frozen.
UP_WITH_SHORT_LIMITS = """
import asyncio
from rich.console import Console
from cinemill.config import load
from cinemill.local.servers import health
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.instance import supervise
health.LIVENESS_SECONDS = 1
asyncio.run(supervise(load(), console=Console(stderr=True), liveness=Liveness(2, 7, 1)))
"""


@contextmanager
def running_instance(
    home: Path, command: tuple[str, ...] = UP
) -> Iterator[tuple[subprocess.Popen[str], Settings]]:
    """Yield an instance that is ready; interrupt it at the end of the block if it still runs."""
    environ = {
        **{name: value for name, value in os.environ.items() if name not in SERVERS},
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(find_free_port()),
        "CELERY_WORKER_CONCURRENCY": "1",
    }
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            state = home / "run" / "state.json"
            wait_until(lambda: state.exists() or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            yield process, load(environ)
        finally:
            process.send_signal(signal.SIGINT)


def pid_of(supervisor: int, module: str) -> int | None:
    for child in psutil.Process(supervisor).children():
        try:
            if child.cmdline()[-2:] == ["-m", module]:
                return child.pid
        except psutil.Error:
            continue
    return None


def test_killed_api_restarts_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_instance(home) as (process, settings):
        before = pid_of(process.pid, "cinemill.api")
        assert before is not None
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: pid_of(process.pid, "cinemill.api") not in (None, before))
        wait_until(lambda: http_is_ready("127.0.0.1", settings.port, "/health"))
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
        assert process.returncode == 0, errors
    assert "ready in" in errors
    assert "SIGKILL" in errors
    wait_until(lambda: processes_of(home) == [])
    assert not (home / "run" / "state.json").exists()


def read_health(settings: Settings) -> dict[str, str]:
    health: dict[str, str] = httpx.get(f"http://127.0.0.1:{settings.port}/health").json()
    return health


def test_health_follows_a_worker_that_ends_and_is_started_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_instance(home) as (process, settings):
        # From the moment on at which it says that it is ready.
        health = read_health(settings)
        assert (health["status"], health["workers"], health["relay"]) == ("ok", "ok", "ok")
        pid = pid_of(process.pid, "cinemill.worker")
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: read_health(settings)["workers"] == "starting")
        wait_until(lambda: read_health(settings)["status"] == "ok")
    assert not (home / "run" / "services.json").exists()


def test_frozen_services_restart(tmp_path: Path) -> None:
    modules = ("cinemill.api", "cinemill.worker", "cinemill.worker.beat")
    command = (sys.executable, "-c", UP_WITH_SHORT_LIMITS)
    with running_instance(tmp_path / "home", command) as (process, settings):
        before = {module: pid_of(process.pid, module) for module in modules}
        for pid in before.values():
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
        for module in modules:
            wait_until(partial(_has_another, process.pid, module, before[module]))
        wait_until(lambda: http_is_ready("127.0.0.1", settings.port, "/health"))
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
        assert process.returncode == 0, errors
    for label in ("API", "worker", "beat"):
        assert f"{label} did not respond for" in errors


def test_worker_that_takes_no_work_is_restarted(tmp_path: Path) -> None:
    """Its process runs but consumes nothing, so that all its work would wait forever."""
    command = (sys.executable, "-c", UP_WITH_SHORT_LIMITS)
    with running_instance(tmp_path / "home", command) as (process, settings):
        before = pid_of(process.pid, "cinemill.worker")
        app = build_app(apply_running_instance(settings))
        for queue in app.context.catalog.queues:
            app.control.cancel_consumer(queue)
        wait_until(lambda: not any(_consumed(app)), seconds=60)

        waiting = app.tasks["get_queue_stats"].delay()
        wait_until(partial(_has_another, process.pid, "cinemill.worker", before), seconds=90)
        wait_until(waiting.ready, seconds=60)
        assert waiting.state == "SUCCESS"
        app.context.database.close()
        app.close()
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors
    assert "worker did not respond for" in errors


def _consumed(app: Celery) -> list[str]:
    """Return the queues that the worker consumes; wait until it replies."""
    answers = None
    while not answers:
        answers = app.control.inspect(timeout=2.0).active_queues()
    return [queue["name"] for queues in answers.values() for queue in queues]


def _has_another(supervisor: int, module: str, before: int | None) -> bool:
    return pid_of(supervisor, module) not in (None, before)


def test_sigkill_of_the_instance_leaves_no_process(tmp_path: Path) -> None:
    with running_instance(tmp_path / "home") as (process, _):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        # Worker, its pool, beat, API, two servers with their own children, and the reaper.
        assert len(family) >= 10
        wait_until(lambda: not any(map(is_alive, family)))


@pytest.mark.parametrize(
    ("field", "scheme", "failure"),
    [
        ("database_url", "postgresql+psycopg://me:pw@", DatabaseUnavailable),
        ("redis_url", "redis://:pw@", RedisUnavailable),
    ],
)
def test_unreachable_server_address_is_reported_without_its_password(
    field: str, scheme: str, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "ADDRESS_SECONDS", 0.2)
    port = find_free_port()
    settings = Settings.model_validate({field: f"{scheme}127.0.0.1:{port}/0"})
    with pytest.raises(failure, match=rf"127\.0\.0\.1:{port}\.$"):
        asyncio.run(instance.check_addresses(settings))
