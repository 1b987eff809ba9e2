"""The supervisor's figures: from nothing to ready, again, what it costs idle, and to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench.rows import BenchRow
from cinemill.local.probes import find_free_port

READY_SECONDS = 120.0
IDLE_SECONDS = 5.0
UP = (sys.executable, "-c", "from cinemill.cli.main import run; run()", "up")
OWN_SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")


def measure() -> list[BenchRow]:
    """Two starts of the whole mill on a fresh home, from the command line to the last 'ready'."""
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder:
        home = Path(folder) / "home"
        environ = {
            **{name: value for name, value in os.environ.items() if name not in OWN_SERVERS},
            "CINEMILL_HOME": str(home),
            "CINEMILL_PORT": str(find_free_port()),
        }
        first_seconds, _, _, _ = _live_once(home, environ)
        second_seconds, stop_seconds, rss_mb, pss_mb = _live_once(home, environ)
    cpus = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    return [
        BenchRow("supervisor: first start to ready", first_seconds, 10, "s", cpus),
        BenchRow("supervisor: second start to ready", second_seconds, 7, "s", cpus),
        BenchRow("supervisor: stop when idle", stop_seconds, 3, "s", cpus),
        BenchRow("supervisor: summed RSS idle", rss_mb, 600, "MB", "shared pages counted often"),
        BenchRow("supervisor: summed PSS idle", pss_mb, None, "MB", "shared pages counted once"),
    ]


def _live_once(home: Path, environ: Mapping[str, str]) -> tuple[float, float, float, float]:
    """(seconds to ready, seconds to stop, summed RSS in MB, summed PSS in MB)."""
    began = time.monotonic()
    process = subprocess.Popen(
        UP, env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for_state(home, process)
        ready_seconds = time.monotonic() - began
        time.sleep(IDLE_SECONDS)
        rss_mb, pss_mb = _weigh(process.pid)
    finally:
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
    return ready_seconds, time.monotonic() - asked, rss_mb, pss_mb


def _wait_for_state(home: Path, process: subprocess.Popen[str]) -> None:
    """The supervisor writes its state when everything is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while not (home / "run" / "state.json").exists():
        if process.poll() is not None:
            raise RuntimeError(f"the mill did not start: {process.communicate()[1]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the mill was not ready after {READY_SECONDS:.0f} s")
        time.sleep(0.02)


def _weigh(pid: int) -> tuple[float, float]:
    supervisor = psutil.Process(pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    memory = [process.memory_full_info() for process in family]
    return sum(one.rss for one in memory) / 1e6, sum(one.pss for one in memory) / 1e6
