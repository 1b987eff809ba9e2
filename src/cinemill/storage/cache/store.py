"""Bytes in Redis with a time to live, where no failure is worth an error."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from threading import Lock
from typing import Any

from redis.exceptions import RedisError

from cinemill.storage.redis_servers import drop_refusing, is_wrong_type, open_redis

SOCKET_TIMEOUT_SECONDS = 2.0
PAUSE_AFTER_FAULT_SECONDS = 1.0
"""A Redis that is away or frozen costs a lookup once in a while, and not each time."""
LOOKUPS_KEY = "cinemill:cache_lookups"
"""A hash of numbers, by cache and outcome: ``results:hit``."""

NO_NUMBER = "hash value is not an integer"
"""What Redis says of a field of it that holds something else."""


class Lookup(StrEnum):
    """How a lookup ended; the words name a metric."""

    HIT = "hit"
    MISS = "miss"
    DAMAGED = "damaged"
    """There was an entry that is not what was written; it was deleted."""
    UNAVAILABLE = "unavailable"
    """Redis did not respond, or was not asked because it had just not responded."""


Observe = Callable[[Lookup], None]


def ignore(lookup: Lookup) -> None:
    """Observe nothing."""


class CacheStore:
    """A connection to Redis for caches. Safe to share between threads; never raises RedisError."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
            health_check_interval=10,
        )
        self._suspended_until = 0.0
        # By fields of LOOKUPS_KEY, which are few: a long failure makes the numbers larger only.
        self._uncounted: Counter[str] = Counter()
        self._lock = Lock()

    def read(self, key: str, *, most_bytes: int) -> tuple[Lookup, bytes]:
        """Return a value of at most so many bytes; a larger one, or another type, is deleted."""
        if self._is_suspended():
            return Lookup.UNAVAILABLE, b""
        try:
            # One byte more than is allowed shows an oversized value, and nobody reads all of it.
            value: bytes = self._redis.getrange(key, 0, most_bytes)
        except RedisError as error:
            if is_wrong_type(error):
                self.delete(key)
                return Lookup.DAMAGED, b""
            self._suspend(error)
            return Lookup.UNAVAILABLE, b""
        if len(value) > most_bytes:
            self.delete(key)
            return Lookup.DAMAGED, b""
        return (Lookup.HIT, value) if value else (Lookup.MISS, b"")

    def write(self, key: str, value: bytes, *, ttl_seconds: int) -> bool:
        """Store a value for so many seconds, 1 or more; whether it was stored."""
        if self._is_suspended():
            return False
        try:
            self._redis.set(key, value, ex=ttl_seconds)
        except RedisError as error:
            self._suspend(error)
            return False
        self._write_counts()
        return True

    def count(self, cache: str, lookup: Lookup) -> None:
        """Count a lookup, in Redis as soon as that responds to this process.

        A process that ends before then takes its numbers with it. Numbers that Redis took without
        confirming it in time are written again.
        """
        with self._lock:
            self._uncounted[f"{cache}:{lookup.value}"] += 1
        self._write_counts()

    def delete(self, key: str) -> None:
        """Delete a key, as far as Redis responds."""
        if self._is_suspended():
            return
        try:
            self._redis.unlink(key)
        except RedisError as error:
            self._suspend(error)

    def close(self) -> None:
        """Write what is not counted yet, if Redis responds, and close the connection."""
        self._write_counts()
        with suppress(RedisError):
            self._redis.close()

    def _write_counts(self) -> None:
        if self._is_suspended():
            return
        with self._lock:
            taken, self._uncounted = self._uncounted, Counter()
        if not taken:
            return
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                for name, number in taken.items():
                    pipeline.hincrby(LOOKUPS_KEY, name, number)
                pipeline.execute()
        except RedisError as error:
            if is_wrong_type(error) or NO_NUMBER in str(error):
                self.delete(LOOKUPS_KEY)  # counting begins again; caches are worth more than counts
                return
            self._suspend(error)
            with self._lock:
                self._uncounted.update(taken)

    def _is_suspended(self) -> bool:
        return time.monotonic() < self._suspended_until

    def _suspend(self, error: Exception) -> None:
        drop_refusing(self._redis, error)
        self._suspended_until = time.monotonic() + PAUSE_AFTER_FAULT_SECONDS
