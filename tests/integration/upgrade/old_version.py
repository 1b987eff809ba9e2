"""A running installation of any version, as the tool that writes the fixture sees it.

Nothing of Cinemill is imported here; the interfaces used are the same in all versions.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import redis

PATIENCE_SECONDS = 120.0
SETTINGS = "[cinemill]\nmax_pixels = 8294400\n"


class Installation:
    """A running ``cinemill up`` of the old version, and access to it."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.process = process
        state = json.loads((home / "run" / "state.json").read_text("utf-8"))
        self.database_url: str = state["database_url"].replace("+psycopg", "", 1)
        self.redis_url: str = state["redis_url"]
        self.api_url: str = state["api_url"]
        token = (home / "token").read_text("ascii").strip()
        self.headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=self.api_url, headers=self.headers, timeout=30)
        self.database = psycopg.connect(self.database_url, autocommit=True)
        self.redis: Any = redis.Redis.from_url(self.redis_url)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def submit(
        self, kind: str, params: Mapping[str, Any], *, priority: int = 5, key: str | None = None
    ) -> str:
        """Queue a job that names its videos itself; return its id."""
        body = {"kind": kind, "params": params, "priority": priority}
        headers = {"Idempotency-Key": key} if key else {}
        reply = self.http.post("/jobs", json=body, headers=headers)
        return str(reply.raise_for_status().json()["id"])

    def submit_for(self, asset: str, kind: str, params: Mapping[str, Any], **more: Any) -> str:
        """Queue a job of a stored video; return its id."""
        body = {"kind": kind, "params": params, **more}
        reply = self.http.post(f"/assets/{asset}/jobs", json=body)
        return str(reply.raise_for_status().json()["id"])

    def upload(self, film: Path, **fields: str) -> str:
        """Upload a video; return the id of its job."""
        with film.open("rb") as file:
            reply = self.http.post("/upload", data=fields, files={"file": (film.name, file)})
        return str(reply.raise_for_status().json()["task_id"])

    def wait_for(self, job: str, status: str) -> None:
        wait_until(lambda: self.state_of(job) in (status, "completed", "failed"))
        assert self.state_of(job) == status, self.get(f"/jobs/{job}/status")

    def state_of(self, job: str) -> str | None:
        row = self.database.execute("SELECT state FROM job WHERE id = %s", [job]).fetchone()
        return None if row is None else str(row[0])

    def count_steps(self, job: str, kind: str, state: str) -> int:
        row = self.database.execute(
            "SELECT count(*) FROM step WHERE job_id = %s AND kind = %s AND state = %s",
            [job, kind, state],
        ).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def running(home: Path) -> Iterator[Installation]:
    """Run the old version on a new home folder until the block ends, then kill it."""
    (home / "settings.toml").write_text(SETTINGS, "utf-8")
    environ = {
        **os.environ,
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(find_free_port()),
        "CINEMILL_INPUT_ROOTS": str(home / "films"),
        "CELERY_WORKER_CONCURRENCY": "3",
        # No job is delayed, and none is taken for dead while this tool kills processes.
        "RENDER_RATE": "6000",
        "TRANSCODE_RATE": "6000",
        "CINEMILL_LEASE_SECONDS": "3600",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "CINEMILL_URL"):
        environ.pop(name, None)
    command = [sys.executable, "-c", "from cinemill.cli.main import run; run()", "up"]
    process = subprocess.Popen(command, env=environ)
    try:
        wait_until((home / "run" / "state.json").exists)
        yield Installation(home, process)
    finally:
        process.kill()  # its reaper ends the servers
        process.wait()
        wait_until(lambda: not any(names_home(one, home) for one in psutil.process_iter()))


def names_home(process: psutil.Process, home: Path) -> bool:
    try:
        return any(str(home) in word for word in process.cmdline())
    except psutil.Error:
        return False


def kill_service(old: Installation, module: str) -> None:
    for child in psutil.Process(old.process.pid).children():
        # The frozen supervisor has not reaped the children that were killed before.
        if not is_dead(child) and child.cmdline()[-2:] == ["-m", module]:
            for process in [child, *child.children(recursive=True)]:
                process.kill()
            wait_until(partial(is_dead, child))


def is_dead(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_ZOMBIE


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {PATIENCE_SECONDS:g} s"
        time.sleep(0.02)
