"""Repairs of the broker's library, each for a fault that a drill has shown; to go with its fix."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


def repair_redis_transport() -> None:
    """Have kombu 5.7 read its pub/sub connection only where there is something to read.

    Once it has dropped a half-open connection, an event of another one can be taken for that of
    pub/sub; redis-py 8 then reads without any timeout, and the worker's main process stands still
    for ever: nothing is consumed, not even a signal to stop is heeded (2 of 8 drills).
    """
    redis.Channel._receive = receive_what_is_there  # type: ignore[method-assign]


def receive_what_is_there(channel: Any) -> bool:
    """Take every message that has come, and wait for none; whether there was one."""
    client = channel.subclient
    received = False
    while client.connection is not None and client.connection.can_read(timeout=0):
        received = bool(channel._receive_one(client)) or received
    return received
