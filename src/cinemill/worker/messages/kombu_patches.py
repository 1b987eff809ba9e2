"""Patches of kombu and Celery, each for a fault found in a drill, until the libraries fix it."""

from __future__ import annotations

from typing import Any

from celery.concurrency import solo
from kombu.transport import redis


def patch_redis_transport() -> None:
    """Let kombu 5.7 survive the loss of Redis.

    The first patch reads the pub/sub connection only if there is something to read. Once kombu has
    dropped a half-open connection, an event of another one can be taken for one of pub/sub;
    redis-py 8 then reads without any timeout, and the worker's main process blocks forever: it
    consumes nothing and does not even handle a stop signal (2 of 8 drills).

    The second patch restores held messages only while there is a connection to do it with. Without
    one, closing the channel raises AttributeError, and the whole worker ends (about one drill in
    thirty).
    """
    redis.Channel._receive = receive_pending  # type: ignore[method-assign]
    redis.QoS.restore_unacked = restore_if_connected  # type: ignore[method-assign]


def patch_solo_pool() -> None:
    """Let a worker with the solo pool be stopped while it works.

    Celery 5.7 asks the pool to kill the process that works. The solo pool, which has none, raises
    NotImplementedError from the signal handler into the middle of the task: the task fails, and
    ``worker_shutting_down``, on which our task releases its work, is never sent.
    """
    solo.TaskPool.terminate_job = ignore_terminate_job


def ignore_terminate_job(pool: Any, pid: int | None, signal: int | None = None) -> None:
    """Do nothing: the task runs in this process, and is stopped by ``worker_shutting_down``."""


_restore_unacked = redis.QoS.restore_unacked


def restore_if_connected(qos: Any, client: Any = None) -> Any:
    """Queue held messages again if there is a connection.

    Otherwise they stay in Redis as unacknowledged, and are queued again after the visibility
    timeout.
    """
    if client is None and qos.channel.connection.client is None:
        qos._delivered.clear()
        return None
    return _restore_unacked(qos, client)


def receive_pending(channel: Any) -> bool:
    """Receive all messages that have arrived, without waiting; return whether there was one."""
    client = channel.subclient
    received = False
    while client.connection is not None and client.connection.can_read(timeout=0):
        received = bool(channel._receive_one(client)) or received
    return received
