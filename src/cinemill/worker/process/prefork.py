"""A patch of Celery's prefork pool for a fault found in a drill, until Celery fixes it."""

from __future__ import annotations

from typing import Any

from celery.concurrency import asynpool

_track = asynpool.AsynPool._track_child_process


def patch_prefork_pool() -> None:
    """Let a worker survive the loss of its broker at the moment one of its processes has died.

    Celery 5.7 registers every process again after it has reconnected. A process whose end was
    noticed but that was not reaped yet has no descriptor any more, and the whole worker ended with
    ``file descriptor is None`` (in one drill of four).
    """
    asynpool.AsynPool._track_child_process = track_if_alive


def track_if_alive(pool: Any, process: Any, hub: Any) -> None:
    """Watch for the end of the process, unless it was noticed already.

    In that case the pool's timer reaps the process and replaces it.
    """
    was_seen = getattr(process, "_sentinel_poll", 0) is None
    if not was_seen and process._popen is not None and process._popen.sentinel is not None:
        _track(pool, process, hub)
