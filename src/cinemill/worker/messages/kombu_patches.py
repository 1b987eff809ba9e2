"""Repairs of the broker's library, each for a fault that a drill has shown; to go with its fix."""

from __future__ import annotations

from typing import Any

from celery.concurrency import solo
from kombu.transport import redis


def repair_redis_transport() -> None:
    """Have kombu 5.7 survive the loss of Redis.

    It reads its pub/sub connection only where there is something to read: once it has dropped a
    half-open connection, an event of another one can be taken for that of pub/sub; redis-py 8 then
    reads without any timeout, and the worker's main process stands still for ever: nothing is
    consumed, not even a signal to stop is heeded (2 of 8 drills).

    It gives held messages back only while it has a connection to do it by: when that was lost,
    closing the channel raises AttributeError, and the whole worker ends (a drill in some thirty).
    """
    redis.Channel._receive = receive_what_is_there  # type: ignore[method-assign]
    redis.QoS.restore_unacked = give_back_if_connected  # type: ignore[method-assign]


def repair_solo_pool() -> None:
    """Let a worker of one process be told to stop while it works.

    Celery 5.7 asks the pool to kill the process that works; the solo pool, which has none, raises
    NotImplementedError out of the signal's handler, into the midst of the task: that fails, and
    ``worker_shutting_down`` is never sent, by which our task hands itself back.
    """
    solo.TaskPool.terminate_job = leave_to_itself


def leave_to_itself(pool: Any, pid: int | None, signal: int | None = None) -> None:
    """Nothing: the task runs in this very process, and is told by ``worker_shutting_down``."""


_give_back = redis.QoS.restore_unacked


def give_back_if_connected(qos: Any, client: Any = None) -> Any:
    """Queue held messages again; without a connection they stay in Redis as not acknowledged, and
    are queued again once the visibility timeout is over."""
    if client is None and qos.channel.connection.client is None:
        qos._delivered.clear()
        return None
    return _give_back(qos, client)


def receive_what_is_there(channel: Any) -> bool:
    """Take every message that has come, and wait for none; whether there was one."""
    client = channel.subclient
    received = False
    while client.connection is not None and client.connection.can_read(timeout=0):
        received = bool(channel._receive_one(client)) or received
    return received
