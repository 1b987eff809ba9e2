"""Patches of Celery's prefork pool, each for a fault found in use, until Celery fixes it."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any

from celery.concurrency import asynpool

FIRST_LOOK_SECONDS = 0.005
LAST_LOOK_SECONDS = 2.0
"""After that the pool's own timer, every five seconds, is soon enough."""

SHORT_SECONDS = 0.25
SHORT_TASKS = 100
"""So many short tasks count as one that is not: looking up a known video leaves nothing behind."""

_track = asynpool.AsynPool._track_child_process
_create = asynpool.AsynPool._create_worker_process


def patch_prefork_pool() -> None:
    """Let a worker replace its processes at once, and survive losing its broker meanwhile.

    Celery 5.7 notices the end of a process by a descriptor that the kernel closes shortly before
    the process can be reaped. If it looks in between, the process still counts as alive, and is
    replaced only by a timer that runs every five seconds; until then its jobs wait (celery#9588).
    Each process is recycled after some jobs, so this delayed one job in fifty by seconds.

    Celery also registers every process again after it has reconnected. A process whose end was
    noticed but that was not reaped yet has no descriptor any more, and the whole worker ended with
    ``file descriptor is None`` (in one drill of four).

    Celery takes a process that has done its last task (``max_tasks_per_child``) for free until it
    has ended. The next task was written to a pipe that nobody reads any more, and waited for the
    successor while other processes were free: a quarter of a second, for one cached analysis in
    ten or twenty. Now the pool counts, and asks a process to end after its last task.

    Celery counts all tasks alike. Replacing a process after ten looks at a cache took as much
    processor time as the looks. Now a short task counts as a hundredth of one.

    A process that ends because of its memory (``max_memory_per_child``) still decides so itself
    after a task, and the pool learns of it only when it has ended. Until then it may be sent one
    more task, which is not lost: it is put back when the process is reaped, and another one does
    it, late as described above.

    Processes that started together and share the work evenly also did their last tasks at the same
    time, so that for a moment a pool had no process at all. Now the first ones end one by one.
    """
    asynpool.AsynPool._create_worker_process = create_staggered
    asynpool.AsynPool._event_process_exit = replace_when_reaped
    asynpool.AsynPool._track_child_process = track_if_alive
    asynpool.AsynPool.on_job_ready = free_unless_finished


def create_staggered(pool: Any, index: int) -> Any:
    """Create the process of a place in the pool. The first one there ends earlier than later ones.

    Of ``n`` processes that do at most ``m`` tasks, the first in place ``i`` does ``m - i * m / n``.
    """
    most_tasks = pool._maxtasksperchild
    places = pool.__dict__.setdefault("cinemill_filled_places", set())
    limit = most_tasks
    if most_tasks and index not in places:
        limit = max(1, most_tasks - index * most_tasks // pool._processes)
    places.add(index)
    pool._maxtasksperchild = None  # the pool asks the process to end, see free_unless_finished
    try:
        process = _create(pool, index)
    finally:
        pool._maxtasksperchild = most_tasks
    process.most_tasks, process.short_tasks_done = limit, 0
    return process


def replace_when_reaped(pool: Any, hub: Any, process: Any) -> None:
    """Replace a process that has ended, and look again until it could be reaped."""
    pool._untrack_child_process(process, hub)
    _replace(pool, hub, process, FIRST_LOOK_SECONDS)


def _replace(pool: Any, hub: Any, process: Any, look_seconds: float) -> None:
    pool.maintain_pool()
    if process in pool._pool and look_seconds <= LAST_LOOK_SECONDS:
        hub.call_later(look_seconds, _replace, pool, hub, process, look_seconds * 2)


def track_if_alive(pool: Any, process: Any, hub: Any) -> None:
    """Watch for the end of the process, unless it was noticed already.

    In that case the pool reaps the process and replaces it in a moment.
    """
    was_seen = getattr(process, "_sentinel_poll", 0) is None
    if not was_seen and process._popen is not None and process._popen.sentinel is not None:
        _track(pool, process, hub)


def free_unless_finished(pool: Any, job: Any, _index: Any, _result: Any, fileno: int) -> None:
    """Count a task that has ended, and mark its process as free, or ask it to end.

    ``fileno`` is that of the pipe through which the process gets its tasks. One that ends stays
    busy until it is reaped, which takes its pipe off the list.
    """
    process = pool._fileno_to_inq.get(fileno)
    if process is not None and process.most_tasks:
        is_short = _measure_seconds(pool, job) < SHORT_SECONDS
        process.short_tasks_done += 1 if is_short else SHORT_TASKS
        if process.short_tasks_done >= process.most_tasks * SHORT_TASKS:
            # Its pipe is empty, so this cannot block: a process has one task at a time. It fails
            # if the process has just ended because of its memory.
            with suppress(OSError):
                process.inq.put(None)
            return
    pool._mark_worker_as_available(fileno)


def _measure_seconds(pool: Any, job: Any) -> float:
    """Return how long a task took; forever if the pool does not know when it was accepted."""
    accepted = getattr(pool._cache.get(job), "_time_accepted", None)
    return math.inf if accepted is None else time.monotonic() - accepted
