"""A whole installation, as a person runs it, with packages of the tests' own.

A plain module for every suite.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.client import Client
from cinemill.local.servers.health import find_free_port

CINEMILL = (sys.executable, "-c", "from cinemill.cli.main import run; run()")
SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")


@dataclass(frozen=True)
class Instance:
    """A running installation, and the environment of its processes."""

    environment: dict[str, str]
    home: Path

    def client(self) -> Client:
        return Client.from_home(self.home)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``cinemill`` as a person does."""
        return self.execute(*CINEMILL, *arguments)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )


def make_environment(home: Path, site: Path | None, films: Path) -> dict[str, str]:
    """Return the settings of an installation whose processes find the packages in ``site``."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in (*SERVERS, "PYTHONPATH")
    }
    own = {
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(find_free_port()),
        "CINEMILL_INPUT_ROOTS": str(films),
        "CELERY_WORKER_CONCURRENCY": "1",
    }
    return inherited | own | ({"PYTHONPATH": str(site)} if site else {})


@contextmanager
def running_instance(home: Path, site: Path | None, films: Path, **more: str) -> Iterator[Instance]:
    """Run ``cinemill up`` until the end of the block, with ``more`` settings."""
    environment = make_environment(home, site, films) | more
    log = home.with_name(f"{home.name}.up")
    with log.open("wb") as errors:
        process = subprocess.Popen([*CINEMILL, "up"], env=environment, stderr=errors)
    try:
        state = home / "run" / "state.json"
        wait_until(lambda: state.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield Instance(environment, home)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
