"""Reports of live workers, which expire unless they are renewed, and figures of Redis.

A worker on any machine writes a short document every few seconds. Two commands read them all and
so list the workers that live.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError, ResponseError

from cinemill.errors import RedisUnavailable
from cinemill.storage.cache.store import LOOKUPS_KEY, Lookup
from cinemill.storage.redis_servers import drop_refusing, open_redis

NODES_KEY = "cinemill:workers"
LIVE_SECONDS = 30
"""A worker that has reported nothing for so long is gone; three reports."""
SOCKET_TIMEOUT_SECONDS = 2.0
MOST_WORKERS = 1000


@dataclass(frozen=True, slots=True)
class GpuFigures:
    """One GPU of a worker's machine, or an instance of one (MIG)."""

    index: int
    name: str
    utilization: float | None
    """In percent; None where the driver does not say, as for MIG instances."""
    memory_used: int
    memory_total: int
    """In MiB."""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """One worker, as it describes itself."""

    node: str
    """Celery's name of it."""
    host: str
    slots: int
    """Tasks that it works on at a time."""
    busy: int
    """Tasks that it works on now."""
    queues: tuple[str, ...]
    gpus: tuple[GpuFigures, ...] = field(default_factory=tuple)
    memory_bytes: int | None = None
    """Resident, of all its processes and the commands that they run; None if not reported."""


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """What Redis says about itself, and the live workers."""

    round_trip_seconds: float
    used_bytes: int
    limit_bytes: int
    """0 if there is none."""
    clients: int
    commands: int
    evicted_keys: int
    workers: Sequence[LiveWorker]
    cache_lookups: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Since Redis was last emptied, by cache and outcome."""


_REPORT = TypeAdapter(LiveWorker)


class LiveWorkers:
    """Writes what one worker reports about itself, and reads the reports of all."""

    def __init__(self, redis_url: str) -> None:
        """Connect when the first report is written or read."""
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        )

    def write(self, report: LiveWorker) -> None:
        """Replace the worker's report. Raises RedisUnavailable."""
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(_key(report.node), json.dumps(asdict(report)), ex=LIVE_SECONDS)
                pipeline.sadd(NODES_KEY, report.node)
                pipeline.execute()
        except RedisError as error:
            drop_refusing(self._redis, error)
            raise RedisUnavailable(f"Redis takes no report ({error}).") from error

    def withdraw(self, node: str) -> None:
        """Remove the report of a worker that ends; without Redis it expires."""
        with suppress(RedisError):
            self._redis.delete(_key(node))

    def list_workers(self) -> list[LiveWorker]:
        """Return the live workers, sorted by name. Raises RedisUnavailable."""
        try:
            return self._read_reports()
        except RedisError as error:
            drop_refusing(self._redis, error)
            raise RedisUnavailable(f"Redis does not respond ({error}).") from error

    def read_figures(self) -> RedisFigures:
        """Return the figures of Redis and all live workers. Raises RedisUnavailable."""
        try:
            asked = time.perf_counter()
            self._redis.time()  # not PING, which a server refuses that cannot save
            seconds = time.perf_counter() - asked
            info = self._read_info()
            workers = self._read_reports()
            lookups = self._redis.hgetall(LOOKUPS_KEY)
        except RedisError as error:
            drop_refusing(self._redis, error)
            raise RedisUnavailable(f"Redis does not respond ({error}).") from error
        return RedisFigures(
            round_trip_seconds=seconds,
            used_bytes=int(info.get("used_memory") or 0),
            limit_bytes=int(info.get("maxmemory") or 0),
            clients=int(info.get("connected_clients") or 0),
            commands=int(info.get("total_commands_processed") or 0),
            evicted_keys=int(info.get("evicted_keys") or 0),
            workers=workers,
            cache_lookups=dict(_read_lookups(lookups)),
        )

    def _read_info(self) -> Mapping[str, Any]:
        try:
            info: Mapping[str, Any] = self._redis.info()
        except ResponseError:
            return {}  # an access list may forbid to ask
        return info

    def _read_reports(self) -> list[LiveWorker]:
        nodes = sorted(node.decode("utf-8", "replace") for node in self._redis.smembers(NODES_KEY))
        if not nodes:
            return []
        documents = self._redis.mget([_key(node) for node in nodes[:MOST_WORKERS]])
        found = dict(zip(nodes, documents, strict=False))
        if gone := [node for node, document in found.items() if document is None]:
            self._forget(gone)
        return [report for one in found.values() if one and (report := _parse(one))]

    def _forget(self, nodes: Sequence[str]) -> None:
        """Remove names without a report; one that reports again adds its name again."""
        with suppress(RedisError):  # a server that takes no write still answers
            self._redis.srem(NODES_KEY, *nodes)

    def close(self) -> None:
        """Close the connection."""
        with suppress(RedisError):
            self._redis.close()


def _key(node: str) -> str:
    return f"cinemill:worker:{node}"


def _parse(document: bytes) -> LiveWorker | None:
    """Return the report; None for one of a version that writes others."""
    try:
        return _REPORT.validate_json(document)
    except ValidationError:
        return None


def _read_lookups(counts: Mapping[bytes, bytes]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the counts by cache and outcome, without those that this version does not know."""
    for name, count in counts.items():
        cache, _, outcome = name.decode("ascii", "replace").partition(":")
        if outcome in list(Lookup) and count.isdigit():
            yield (cache, outcome), int(count)
