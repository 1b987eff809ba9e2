"""Clients of Redis, whatever its address is: one server, a socket, or a primary behind Sentinels.

Every client of ours is opened here. None of them tries a command again by itself: who calls knows
what a moment without Redis is worth.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from cinemill.addresses import SentinelAddress, parse_sentinel

# Without types in redis-py.
_Sentinels: Any = redis.sentinel.Sentinel
_AsyncSentinels: Any = redis.asyncio.sentinel.Sentinel

FAULTS: tuple[type[Exception], ...] = (redis.RedisError,)
"""Whatever a client of Redis raises."""
REFUSALS: tuple[type[Exception], ...] = (redis.ResponseError,)
"""Of a server that answers and does not do what it is asked: one that is full, read-only, demoted,
misconfigured or busy with a script. Another server may do it, and this one later."""

SENTINEL_SECONDS = 1.0
"""How long a Sentinel may take to answer before the next one is asked."""


SILENT_SECONDS = 0.5
"""A command that failed after so long met a server that keeps its callers waiting."""


_asking: dict[str, threading.Thread | None] = {}
"""Servers that keep their callers waiting, by address, each with the thread that asks it."""


class Outage:
    """The time in which a server is away, for callers that must not be kept waiting by it.

    After a fault nothing is sent for ``pause_seconds``. Where the fault came late (a server that is
    frozen, or cut off), a thread asks it after that, and no caller of this process waits for it
    until it answers: only the first one has waited. Safe to share between threads.
    """

    def __init__(self, url: str, ask: Callable[[], object], *, pause_seconds: float) -> None:
        """``ask`` sends the server something small. Raises RedisError where that fails."""
        self._url = url
        self._ask = ask
        self._pause_seconds = pause_seconds
        self._until = 0.0

    def begin(self, seconds: float) -> None:
        """Begin, or go on, after a fault for which the caller has waited ``seconds``."""
        self._until = time.monotonic() + self._pause_seconds
        if seconds >= SILENT_SECONDS:
            _asking.setdefault(self._url, None)
        else:
            _asking.pop(self._url, None)

    def is_on(self) -> bool:
        """Return whether the server should be left alone now. Never waits."""
        if time.monotonic() < self._until:
            return True
        try:
            thread = _asking[self._url]
        except KeyError:
            return False
        if thread is None or not thread.is_alive():  # nor is it after a fork
            thread = threading.Thread(target=self._find_out, name="redis", daemon=True)
            _asking[self._url] = thread
            with suppress(RuntimeError):  # the process is ending
                thread.start()
        return True

    def _find_out(self) -> None:
        asked_at = time.monotonic()
        try:
            self._ask()
        except redis.RedisError:
            self.begin(time.monotonic() - asked_at)
        else:
            _asking.pop(self._url, None)


class PrimaryClient(redis.Redis):
    """A client of whichever server is the primary; it closes its Sentinels' connections too."""

    def close(self) -> None:
        super().close()
        if isinstance(self.connection_pool, SentinelConnectionPool):
            self.connection_pool.sentinel_manager.close()


class AsyncPrimaryClient(redis.asyncio.Redis):
    """The same for asyncio."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        if isinstance(self.connection_pool, AsyncSentinelPool):
            asked = self.connection_pool.sentinel_manager.sentinels
            await asyncio.gather(*(sentinel.aclose() for sentinel in asked))


def open_redis(url: str, **options: Any) -> redis.Redis:
    """Return a client of ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://``.

    It connects when it is first used. ``options`` are redis-py's. Raises ValueError for any other
    URL.
    """
    address = parse_sentinel(url)
    if address is None:
        return redis.Redis.from_url(url, **options)
    asking = sentinel_options(address)
    sentinel = _Sentinels(address.sentinels, sentinel_kwargs=asking, **_primary_options(address))
    client: PrimaryClient = sentinel.master_for(
        address.primary, PrimaryClient, retry=Retry(NoBackoff(), 0), **options
    )
    return client


def open_async_redis(url: str, **options: Any) -> redis.asyncio.Redis:
    """Return an asyncio client; otherwise as ``open_redis``."""
    address = parse_sentinel(url)
    if address is None:
        return redis.asyncio.Redis.from_url(url, **options)
    asking = {**sentinel_options(address), "retry": AsyncRetry(NoBackoff(), 0)}
    sentinel = _AsyncSentinels(
        address.sentinels, sentinel_kwargs=asking, **_primary_options(address)
    )
    client: AsyncPrimaryClient = sentinel.master_for(
        address.primary, AsyncPrimaryClient, retry=AsyncRetry(NoBackoff(), 0), **options
    )
    return client


def drop_refusing(client: redis.Redis, error: Exception) -> None:
    """Drop the client's connections after a refusal, so that its next command uses a new one.

    A primary that was demoted may keep its clients, while the address already leads to another.
    """
    if isinstance(error, REFUSALS):
        client.connection_pool.disconnect(inuse_connections=False)


def is_wrong_type(error: Exception) -> bool:
    """Check whether a key holds another type of value than the command is for.

    Anybody may have written it. A key of ours is deleted then, for what it should hold is never
    kept in Redis alone.
    """
    return isinstance(error, redis.ResponseError) and "WRONGTYPE" in str(error)


def measure_fullness(memory: Mapping[str, int]) -> float | None:
    """Return the share of its memory that a server uses, 0 to 1 or a little over, from INFO.

    Returns None where it has no limit.
    """
    limit = int(memory.get("maxmemory") or 0)
    return int(memory.get("used_memory") or 0) / limit if limit else None


def sentinel_options(address: SentinelAddress) -> dict[str, Any]:
    """Return options that query a Sentinel once and briefly, for there is another one.

    By default redis-py asks a dead one eleven times, over two or three seconds.
    """
    return {
        **address.sentinel_credentials,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }


def _primary_options(address: SentinelAddress) -> dict[str, Any]:
    return {
        "db": address.database,
        "username": address.username,
        "password": address.password,
    }
