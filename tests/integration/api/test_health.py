"""What ``/health``, ``cinemill status`` and ``cinemill doctor`` say of who does the work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import fresh_database
from tests.integration.redis_databases import take_redis_database
from tests.waiting import wait_until

from cinemill.catalog import COMMON_QUEUES
from cinemill.cli.commands.doctor.check import Level
from cinemill.cli.commands.doctor.work import check_relay, check_workers
from cinemill.config import Settings
from cinemill.storage import clock
from cinemill.storage.database import Database
from cinemill.storage.metrics.live_workers import LiveWorker, LiveWorkers
from cinemill.storage.metrics.work_health import SILENT_SECONDS

from .conftest import RunningApi, launch

REDIS_NUMBER = 13


class Installation:
    """An API over servers to which nobody else reports."""

    def __init__(self, api: RunningApi) -> None:
        self.api = api
        self.database = Database(api.database_url)
        self.workers = LiveWorkers(api.redis_url)

    @property
    def settings(self) -> Settings:
        api = self.api
        return Settings(
            home=api.home,
            database_url=api.database_url,
            redis_url=api.redis_url,
            celery_broker_url=api.redis_url,
        )

    def report(self, node: str, queues: Sequence[str]) -> None:
        self.workers.write(LiveWorker(node, "machine", 1, 0, tuple(queues)))

    def hear_relay(self, seconds_ago: float) -> None:
        """Write what a relay would have noted so long ago."""
        with self.database.begin() as connection:
            look = clock.look(connection)
            seconds = look.stored.seconds if look.stored else 1.0
            wall = look.wall - seconds_ago
            clock.save(connection, seconds=seconds, wall=wall, calendar=wall, jump_seconds=0)

    def forget_relay(self) -> None:
        with self.database.begin() as connection:
            connection.exec_driver_sql("DELETE FROM engine_clock")

    def write_services(self, pid: int, *, is_ready: bool) -> None:
        """Write what a supervisor of this home would say of its services."""
        log = str(self.api.home / "log" / "worker.out")
        one = {"is_ready": is_ready, "how": "was killed by SIGKILL", "log_file": log}
        folder = self.api.home / "run"
        folder.mkdir(exist_ok=True)
        document = {"pid": pid, "services": {"worker": one, "beat": one}}
        (folder / "services.json").write_text(json.dumps(document))

    def read(self, **parts: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.wait_for_health(**parts).json()
        return found

    def diagnose(self) -> dict[str, tuple[Level, str]]:
        """Return the worst check of each part, with its hint."""
        checks = [*check_workers(self.settings), *check_relay(self.settings)]
        worst = sorted(checks, key=lambda one: [Level.OK, Level.WARN, Level.FAIL].index(one.level))
        return {one.part: (one.level, one.hint) for one in worst}


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("health")
    own_redis = take_redis_database(redis_url, REDIS_NUMBER)
    with fresh_database(database_url) as own_url:
        api = launch(home, {"DATABASE_URL": own_url, "REDIS_URL": own_redis})
        found = Installation(api)
        yield found
        found.workers.close()
        found.database.close()
        api.stop()


@pytest.fixture(autouse=True)
def alone(own: Installation) -> Iterator[None]:
    own.forget_relay()
    yield
    with closing(LiveWorkers(own.api.redis_url)) as reports:
        for node in ("celery@one", "celery@two"):
            reports.withdraw(node)
    (own.api.home / "run" / "services.json").unlink(missing_ok=True)


def test_nobody_works(own: Installation) -> None:
    health = own.read(workers="none", relay="none")
    assert health["status"] == "degraded"
    found = own.diagnose()
    assert found["workers"] == (Level.FAIL, "Run 'cinemill worker'.")
    assert found["relay"] == (Level.FAIL, "Run 'cinemill beat'.")


def test_all_is_served(own: Installation) -> None:
    own.report("celery@one", COMMON_QUEUES)
    own.hear_relay(0.0)
    health = own.read(workers="ok", relay="ok")
    assert health["status"] == "ok"
    found = own.diagnose()
    assert found["relay"][0] is Level.OK
    # This one reports and takes no messages, which the doctor sees as well.
    assert found["workers"][0] is Level.WARN


def test_queue_that_nobody_serves(own: Installation) -> None:
    *most, last = COMMON_QUEUES
    own.report("celery@one", most)
    own.hear_relay(0.0)
    health = own.read(workers="incomplete", relay="ok")
    assert health["status"] == "degraded"
    assert own.diagnose()["workers"] == (Level.FAIL, f"Run 'cinemill worker --queues {last}'.")
    own.report("celery@two", [last])
    assert own.read(workers="ok", relay="ok")["status"] == "ok"


def test_worker_of_other_queues_alone_is_none(own: Installation) -> None:
    own.report("celery@one", ["gpu_h264"])
    assert own.read(workers="none")["status"] == "degraded"


def test_relay_that_fell_silent(own: Installation) -> None:
    own.report("celery@one", COMMON_QUEUES)
    own.hear_relay(2 * SILENT_SECONDS)
    health = own.read(workers="ok", relay="none")
    assert health["status"] == "degraded"
    assert own.diagnose()["relay"][0] is Level.FAIL


def test_supervisor_that_has_not_noticed_yet_is_named(own: Installation) -> None:
    own.write_services(os.getpid(), is_ready=True)
    assert own.read(workers="starting", relay="starting")["status"] == "degraded"
    assert "starts it again where it has frozen" in own.diagnose()["workers"][1]


def test_supervisor_that_starts_them_again_is_named(own: Installation) -> None:
    own.write_services(os.getpid(), is_ready=False)
    health = own.read(workers="starting", relay="starting")
    assert health["status"] == "degraded"
    for part in ("workers", "relay"):
        level, hint = own.diagnose()[part]
        assert level is Level.FAIL
        assert f"'cinemill up' (process {os.getpid()}) is starting it again" in hint
        assert "was killed by SIGKILL" in hint
        assert "worker.out" in hint


def test_supervisor_that_is_gone_is_not_believed(own: Installation) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    own.write_services(child, is_ready=False)
    assert own.read(workers="none", relay="none")["status"] == "degraded"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pid": "x"}', '{"pid": 1, "services": []}'])
def test_file_of_services_may_hold_anything(own: Installation, content: str) -> None:
    folder: Path = own.api.home / "run"
    folder.mkdir(exist_ok=True)
    (folder / "services.json").write_text(content)
    assert own.read(workers="none", relay="none")["status"] == "degraded"


def test_health_is_200_without_workers(own: Installation) -> None:
    """A supervisor that restarts the API for it would lose it as well."""
    wait_until(lambda: own.api.stranger.get("/health").json()["workers"] == "none")
    assert own.api.stranger.get("/health").status_code == 200
