"""Celery's prefork pool, a real one: when a process ends, and when the worker reconnects."""

from __future__ import annotations

import subprocess
import sys

import pytest

RECONNECT = """
pool._untrack_child_process(pool._pool[0], hub)  # its end was seen, and it is not reaped yet
hub.reset()
pool.register_with_event_loop(hub)
print("registered again")
"""
LATE_END = """
ending = pool._pool[0]
pool._event_process_exit(hub, ending)  # its descriptor was closed, and it can't be reaped yet
assert ending in pool._pool
os.kill(ending.pid, signal.SIGKILL)
loop = hub.create_loop()
hub.call_repeatedly(0.05, lambda: None)  # so that no look waits for an event
end = time.monotonic() + MOST_SECONDS
while ending in pool._pool and time.monotonic() < end:
    next(loop)
print("replaced" if ending not in pool._pool and len(pool._pool) == 2 else "missing")
"""
LAST_TASK = """
recycled = AsynPool(processes=1, threads=False, maxtasksperchild=1)
recycled.register_with_event_loop(hub)
hub.call_repeatedly(0.05, lambda: None)
loop = hub.create_loop()
tasks, sent_to = [], []
end = time.monotonic() + MOST_SECONDS
while (len(tasks) < 4 or not tasks[-1].ready()) and time.monotonic() < end:
    if not tasks or tasks[-1].ready():
        tasks.append(recycled.apply_async(time.sleep, (0.3,)))  # at once, as the one before it ends
        sent_to.append(set())
    next(loop)
    if tasks[-1]._write_to is not None:
        sent_to[-1].add(tasks[-1]._write_to.pid)
print("each sent once" if [len(pids) for pids in sent_to] == [1] * 4 else sent_to)
recycled.terminate()
recycled.join()
"""
STAGGERED = """
from collections import Counter
def work():
    time.sleep(0.3)
    return os.getpid()
staggered = AsynPool(processes=2, threads=False, maxtasksperchild=4)
staggered.register_with_event_loop(hub)
hub.call_repeatedly(0.05, lambda: None)
loop = hub.create_loop()
first = [process.pid for process in staggered._pool]
tasks = [staggered.apply_async(work) for _ in range(20)]
end = time.monotonic() + MOST_SECONDS
while not all(task.ready() for task in tasks) and time.monotonic() < end:
    next(loop)
done = Counter(task.get() for task in tasks if task.ready())
limits = [process.most_tasks for process in staggered._pool] if PATCHED else []
print("first", [done[pid] for pid in first], "most", max(done.values()), "later", limits)
staggered.terminate()
staggered.join()
"""
SHORT = """
from collections import Counter
from cinemill.worker.process import prefork
prefork.SHORT_SECONDS = 60  # whatever else the machine does
short = AsynPool(processes=1, threads=False, maxtasksperchild=2)
short.register_with_event_loop(hub)
hub.call_repeatedly(0.05, lambda: None)
loop = hub.create_loop()
tasks = [short.apply_async(os.getpid) for _ in range(210)]
end = time.monotonic() + MOST_SECONDS
while not all(task.ready() for task in tasks) and time.monotonic() < end:
    next(loop)
print("done", sorted(Counter(task.get() for task in tasks if task.ready()).values()))
short.terminate()
short.join()
"""
SCRIPT = """
import os, signal, time
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub
from cinemill.worker.process.prefork import patch_prefork_pool

MOST_SECONDS = {most_seconds}
AsynPool.timers = {{}}  # without the look every five seconds, which hides what is tested
PATCHED = bool({patch!r})
{patch}
hub = Hub()
pool = AsynPool(processes=2, threads=False)
pool.register_with_event_loop(hub)
{fault}
pool.terminate()
pool.join()
"""


def run(fault: str, patch: str, most_seconds: float = 60) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(fault=fault, patch=patch, most_seconds=most_seconds)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (RECONNECT, "registered again"),
        (LATE_END, "replaced"),
        (LAST_TASK, "each sent once"),
        (SHORT, "done [10, 200]"),
        (STAGGERED, "first [4, 2] most 4 later [4, 4]"),
    ],
)
def test_worker_survives_and_replaces_a_process_that_has_ended(fault: str, said: str) -> None:
    done = run(fault, "patch_prefork_pool()")
    assert said in done.stdout, done.stderr


@pytest.mark.nightly
def test_prefork_patches_are_still_needed() -> None:
    assert "file descriptor is None" in run(RECONNECT, "").stderr
    assert "missing" in run(LATE_END, "", most_seconds=1).stdout
    assert "each sent once" not in run(LAST_TASK, "", most_seconds=1).stdout
    assert "done [2" in run(SHORT, "", most_seconds=1).stdout
    assert "first [4, 4]" in run(STAGGERED, "").stdout
