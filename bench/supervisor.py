"""The supervisor's figures: first and second start, idle cost, and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.report import BenchRow
from cinemill.local.servers.health import find_free_port

READY_SECONDS = 120.0
IDLE_SECONDS = 5.0
UP = (sys.executable, "-c", "from cinemill.cli.main import run; run()", "up")
OWN_SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")


def measure() -> list[BenchRow]:
    """Measure two starts of the whole instance on a new home, up to the last 'ready'."""
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder:
        home = Path(folder) / "home"
        environ = {
            **{name: value for name, value in os.environ.items() if name not in OWN_SERVERS},
            "CINEMILL_HOME": str(home),
            "CINEMILL_PORT": str(find_free_port()),
        }
        first = _run_once(home, environ)
        second = _run_once(home, environ)
    machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    return [
        BenchRow("supervisor: first start to ready", first.start_seconds, 10, "s", first.how),
        BenchRow("supervisor: second start to ready", second.start_seconds, 7, "s", second.how),
        BenchRow("supervisor: stop when idle", second.stop_seconds, 3, "s", machine),
        BenchRow("supervisor: summed RSS idle", second.rss_mb, 600, "MB", "shared pages often"),
        BenchRow("supervisor: summed PSS idle", second.pss_mb, None, "MB", "shared pages once"),
    ]


@dataclass(frozen=True)
class _Lifetime:
    start_seconds: float
    start_cpu_seconds: float
    stop_seconds: float
    rss_mb: float
    pss_mb: float

    @property
    def how(self) -> str:
        """Return the time with the processor time, which other work hardly changes."""
        return f"{self.start_cpu_seconds:.1f} CPU s; {os.cpu_count()} CPUs"


def _run_once(home: Path, environ: Mapping[str, str]) -> _Lifetime:
    """Start, wait, measure, stop."""
    began = time.monotonic()
    process = subprocess.Popen(
        UP, env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for_state(home, process)
        start_seconds = time.monotonic() - began
        start_cpu_seconds = sum(sum(one.cpu_times()[:4]) for one in _family(process.pid))
        time.sleep(IDLE_SECONDS)
        memory = [one.memory_full_info() for one in _family(process.pid)]
    finally:
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
    return _Lifetime(
        start_seconds,
        start_cpu_seconds,
        stop_seconds=time.monotonic() - asked,
        rss_mb=sum(one.rss for one in memory) / 1e6,
        pss_mb=sum(one.pss for one in memory) / 1e6,
    )


def _family(pid: int) -> list[psutil.Process]:
    supervisor = psutil.Process(pid)
    return [supervisor, *supervisor.children(recursive=True)]


def _wait_for_state(home: Path, process: subprocess.Popen[str]) -> None:
    """Wait for the state, which the supervisor writes when everything is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while not (home / "run" / "state.json").exists():
        if process.poll() is not None:
            raise RuntimeError(f"Cinemill did not start: {process.communicate()[1]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"Cinemill was not ready after {READY_SECONDS:.0f} s")
        time.sleep(0.02)
