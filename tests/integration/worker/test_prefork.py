"""Celery's prefork pool, a real one: a worker that reconnects, and processes that are replaced."""

from __future__ import annotations

import subprocess
import sys

RECONNECT = """
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

REPLACE = """
import os
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub
from cinemill.worker.process.prefork import patch_prefork_pool

{repair}
hub = Hub()
pool = AsynPool(processes=1, threads=False, maxtasksperchild=1)
pool.register_with_event_loop(hub)
loop = hub.create_loop()
tasks, sent_to = [], []
while len(tasks) < 4 or not tasks[-1].ready():
    if not tasks or tasks[-1].ready():
        tasks.append(pool.apply_async(os.getpid))  # at once, as the previous one ends
        sent_to.append(set())
    next(loop)
    if tasks[-1]._write_to is not None:
        sent_to[-1].add(tasks[-1]._write_to.pid)
print("processes that each task was sent to:", [len(pids) for pids in sent_to])
pool.terminate()
pool.join()
"""


def run(script: str, repair: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script.format(repair=repair)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


REPAIR = "patch_prefork_pool()"


def test_dead_pool_process_does_not_end_the_reconnecting_worker() -> None:
    done = run(RECONNECT, REPAIR)
    assert "registered again" in done.stdout, done.stderr


def test_process_that_has_done_its_last_task_is_sent_no_other() -> None:
    done = run(REPLACE, REPAIR)
    assert "was sent to: [1, 1, 1, 1]" in done.stdout, done.stderr


def test_prefork_patches_are_still_needed() -> None:
    assert "file descriptor is None" in run(RECONNECT).stderr
    assert "was sent to: [1, 2, 2, 2]" in run(REPLACE).stdout
