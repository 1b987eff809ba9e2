"""Patches of Celery's prefork pool for faults found in drills, until Celery fixes them."""

from __future__ import annotations

from typing import Any

from celery.concurrency import asynpool

_track = asynpool.AsynPool._track_child_process


def patch_prefork_pool() -> None:
    """Let a worker survive a lost broker, and give no task to a process that is about to end.

    Celery 5.7 registers every process again after it has reconnected. A process whose end was
    noticed but that was not reaped yet has no descriptor any more, and the whole worker ended with
    ``file descriptor is None`` (in one drill of four).

    Celery 5.7 takes a process that has done its last task (``max_tasks_per_child``) for free until
    it has ended, and prefers it, since it prefers the first process that is free. The next task was
    written to a pipe that nobody reads any more, and waited for the successor: a third of a second,
    and up to five on a busy machine, for every tenth task, while other processes were free.
    """
    asynpool.AsynPool._track_child_process = track_if_alive
    asynpool.AsynPool.on_job_ready = free_unless_finished


def track_if_alive(pool: Any, process: Any, hub: Any) -> None:
    """Watch for the end of the process, unless it was noticed already.

    In that case the pool's timer reaps the process and replaces it.
    """
    was_seen = getattr(process, "_sentinel_poll", 0) is None
    if not was_seen and process._popen is not None and process._popen.sentinel is not None:
        _track(pool, process, hub)


def free_unless_finished(pool: Any, _job: Any, _index: Any, _result: Any, fileno: int) -> None:
    """Count a task that has ended, and mark its process as free if it will take another one.

    ``fileno`` is that of the pipe through which the process gets its tasks. One that ends stays
    busy until it is reaped, which takes its pipe off the list.
    """
    process = pool._fileno_to_inq.get(fileno)
    if process is not None:
        process.tasks_done = getattr(process, "tasks_done", 0) + 1
        if pool._maxtasksperchild and process.tasks_done >= pool._maxtasksperchild:
            return
    pool._mark_worker_as_available(fileno)
