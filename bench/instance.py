"""A whole instance for a benchmark: real servers, one worker, one beat with its relay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from cinemill.config import Settings, load
from cinemill.local.embedded_servers import embedded_servers
from cinemill.storage.database import Database, migrate

APPLICATION = "bench.application"
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Instance:
    home: Path
    settings: Settings
    database: Database
    worker: subprocess.Popen[bytes]
    beat: subprocess.Popen[bytes]
    """With the relay."""

    def worker_cpu_seconds(self) -> float:
        """Return processor time of the worker's main process, its pool, and all reaped children."""
        main = psutil.Process(self.worker.pid)
        tree = [main, *main.children(recursive=True)]
        return sum(sum(process.cpu_times()[:4]) for process in tree)


@contextmanager
def running_instance(
    *, concurrency: int = 2, settings: Mapping[str, str] = NO_SETTINGS
) -> Iterator[Instance]:
    """Start everything, with the benchmark's own kinds of job; stop it at the end.

    ``settings`` are further ones, by the names of the environment.
    """
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder:
        home = Path(folder)
        with embedded_servers(home) as servers:
            environ = {
                **os.environ,
                "CINEMILL_HOME": folder,
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "CELERY_WORKER_CONCURRENCY": str(concurrency),
                "CINEMILL_LOG_LEVEL": "warning",
                **settings,
            }
            migrate(servers.database_url)
            database = Database(servers.database_url)
            worker = _start(["worker", "--without-mingle", "--without-gossip"], environ)
            beat = _start(["beat", "--pidfile", ""], environ)
            try:
                yield Instance(home, load(environ), database, worker, beat)
            finally:
                database.close()
                worker.send_signal(signal.SIGQUIT)
                beat.terminate()  # a shell may have it ignore SIGQUIT
                for process in (worker, beat):
                    process.wait(30)


def _start(command: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", APPLICATION, *command],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
