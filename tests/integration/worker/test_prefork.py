"""Celery's prefork pool, a real one, when the worker reconnects to its broker."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub
from cinemill.worker.process.prefork import patch_prefork_pool

{repair}
hub = Hub()
pool = AsynPool(processes=2, threads=False)
pool.register_with_event_loop(hub)
pool._untrack_child_process(pool._pool[0], hub)  # its end was seen, and it is not reaped yet
hub.reset()
pool.register_with_event_loop(hub)
print("registered again")
pool.terminate()
pool.join()
"""


def run(repair: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(repair=repair)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_dead_pool_process_does_not_end_the_reconnecting_worker() -> None:
    done = run("patch_prefork_pool()")
    assert "registered again" in done.stdout, done.stderr


def test_prefork_patch_is_still_needed() -> None:
    assert "file descriptor is None" in run("").stderr
