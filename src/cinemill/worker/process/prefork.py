"""A repair of Celery's pool of processes, for a fault that a drill showed; to go with its fix."""

from __future__ import annotations

from typing import Any

from celery.concurrency import asynpool

_track = asynpool.AsynPool._track_child_process


def repair_prefork_pool() -> None:
    """Have a worker outlive the loss of its broker just when one of its processes has died.

    Celery 5.7 registers every process again when it has connected again. One whose end was seen and
    that could not be reaped yet has no descriptor any more, and the whole worker ended with
    ``file descriptor is None`` (one drill of four).
    """
    asynpool.AsynPool._track_child_process = track_living


def track_living(pool: Any, process: Any, hub: Any) -> None:
    """Wait for the end of the process, unless that was seen already: it is reaped by the pool's
    timer, and another takes its place."""
    was_seen = getattr(process, "_sentinel_poll", 0) is None
    if not was_seen and process._popen is not None and process._popen.sentinel is not None:
        _track(pool, process, hub)
