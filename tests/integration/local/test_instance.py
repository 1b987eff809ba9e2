"""The real servers under the real supervisor, and its messages if it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from tests.processes import processes_of
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import Settings
from cinemill.errors import HomeLocked, PortInUse
from cinemill.local.home import lock_home, open_home
from cinemill.local.instance import supervise

ROOT = Path(__file__).parents[3]
SERVER_NAMES = ("postgres", "valkey")

# An instance without its Python services: the servers and the migration.
SERVERS = """
import asyncio, json, pathlib, sys
from cinemill.config import Settings
from cinemill.local.servers import health
from cinemill.local.home import lock_home, open_home, remove_state, write_state
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.service_plan import plan_services, prepare_services
from cinemill.local.supervisor.supervisor import Supervisor
settings = Settings(home=pathlib.Path(sys.argv[1]))
home = open_home(settings.home)
with lock_home(home):
    services = prepare_services(settings, home)
    servers = [s for s in plan_services(settings, home, services) if not s.needs]
    health.LIVENESS_SECONDS = 1
    supervisor = Supervisor(servers, log_folder=home.log, liveness=Liveness(0.5, 6, 0.2))
    def announce():
        pids = supervisor.pids()
        write_state(home, {"db": services.database_url, "redis": services.redis_url, **pids})
    asyncio.run(supervisor.run(announce))
    remove_state(home)
"""


@contextmanager
def supervised(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    state_file = home / "run" / "state.json"
    state_file.unlink(missing_ok=True)  # as a killed one leaves it
    with subprocess.Popen([sys.executable, "-c", SERVERS, str(home)], cwd=ROOT) as process:
        try:
            wait_until(lambda: state_file.exists() or process.poll() is not None)
            yield process, json.loads(state_file.read_text())
        finally:
            process.send_signal(signal.SIGINT)


def count_rows(url: str, *, add: int) -> int:
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, %s)", [add])
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_data_survives_kills_of_servers_and_supervisor(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with supervised(home) as (supervisor, state):
        assert count_rows(state["db"], add=10) == 10
        with redis.Redis.from_url(state["redis"]) as client:
            client.set("kept", "yes")
        for name in SERVER_NAMES:
            os.kill(int(state[name]), signal.SIGKILL)
        wait_until(lambda: not any(psutil.pid_exists(int(state[name])) for name in SERVER_NAMES))
        wait_until(lambda: _answers(state))
        assert count_rows(state["db"], add=10) == 20
        supervisor.kill()
    wait_until(lambda: processes_of(home) == [])

    with supervised(home) as (supervisor, again):
        assert (again["db"], again["redis"]) == (state["db"], state["redis"])
        assert count_rows(again["db"], add=0) == 20
        with redis.Redis.from_url(again["redis"]) as client:
            assert client.get("kept") == b"yes"
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=PATIENCE_SECONDS) == 0
        wait_until(lambda: processes_of(home) == [])
        assert not (home / "run" / "state.json").exists()


def test_frozen_servers_restart_with_all_committed_data(tmp_path: Path) -> None:
    with supervised(tmp_path / "home") as (_, state):
        assert count_rows(state["db"], add=10) == 10
        for name in SERVER_NAMES:
            os.kill(int(state[name]), signal.SIGSTOP)
        wait_until(lambda: not any(psutil.pid_exists(int(state[name])) for name in SERVER_NAMES))
        wait_until(lambda: _answers(state))
        assert count_rows(state["db"], add=0) == 10


def _answers(state: dict[str, str]) -> bool:
    try:
        with psycopg.connect(state["db"].replace("+psycopg", "", 1)):
            pass
        with redis.Redis.from_url(state["redis"]) as client:
            return bool(client.ping())
    except (psycopg.OperationalError, redis.RedisError):
        return False


def test_start_right_after_a_kill_waits_for_the_old_servers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with supervised(home) as (supervisor, state):
        supervisor.kill()
        supervisor.wait()
        with supervised(home) as (_, again):
            assert again["db"] == state["db"]
            assert count_rows(again["db"], add=1) == 1
    wait_until(lambda: processes_of(home) == [])


def test_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(home=tmp_path / "home", port=port)
        with pytest.raises(PortInUse, match=f"Port {port}") as caught:
            asyncio.run(supervise(settings))
    assert "CINEMILL_PORT" in caught.value.hint
    assert list((tmp_path / "home" / "postgres").iterdir()) == []


def test_second_supervisor_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with lock_home(open_home(settings.home)), pytest.raises(HomeLocked, match=f"{os.getpid()}"):
        asyncio.run(supervise(settings))
