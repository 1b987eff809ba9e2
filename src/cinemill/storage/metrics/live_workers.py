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
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from redis.exceptions import RedisError, ResponseError

from cinemill.core.text.storable_text import Text
from cinemill.errors import RedisUnavailable
from cinemill.storage.cache.store import LOOKUPS_KEY, Lookup
from cinemill.storage.redis_servers import drop_refusing, is_wrong_type, open_redis

NODES_KEY = "cinemill:workers"
LIVE_SECONDS = 30
"""A worker that has reported nothing for so long is gone; three reports."""
SOCKET_TIMEOUT_SECONDS = 2.0
MOST_WORKERS = 1000
LONGEST_NAME = 255
LARGEST_REPORT_BYTES = 64 * 1024
MOST_COUNTS = 1000
MOST_DIGITS = 18
_Name = Annotated[Text, Field(max_length=LONGEST_NAME)]
_Count = Annotated[int, Field(ge=0, lt=2**63)]
"""Reports are read from Redis, into which anybody may write: they are checked like a request."""


@dataclass(frozen=True, slots=True)
class GpuFigures:
    """One GPU of a worker's machine, or an instance of one (MIG)."""

    index: _Count
    name: _Name
    utilization: Annotated[float, Field(ge=0, le=100)] | None
    """In percent; None where the driver does not say, as for MIG instances."""
    memory_used: _Count
    memory_total: _Count
    """In MiB."""
    uuid: _Name = ""


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """One worker, as it describes itself."""

    node: _Name
    """Celery's name of it."""
    host: _Name
    slots: _Count
    """Tasks that it works on at a time."""
    busy: _Count
    """Tasks that it works on now."""
    queues: Annotated[tuple[_Name, ...], Field(max_length=1000)]
    gpus: Annotated[tuple[GpuFigures, ...], Field(max_length=1000)] = field(default_factory=tuple)
    memory_bytes: _Count | None = None
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
            self._redis.set(_key(report.node), json.dumps(asdict(report)), ex=LIVE_SECONDS)
            self._redis.sadd(NODES_KEY, report.node)
        except RedisError as error:
            if is_wrong_type(error):
                self._forget_all()
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
            lookups = self._read_counts()
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
        try:
            nodes: list[bytes] = sorted(self._redis.srandmember(NODES_KEY, MOST_WORKERS))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._forget_all()
            return []
        named = [node for node in nodes if len(node) <= LONGEST_NAME]
        with self._redis.pipeline(transaction=False) as pipeline:
            for node in named:
                # One byte more than is allowed shows what is too large, and nobody reads all of it.
                pipeline.getrange(_key(node), 0, LARGEST_REPORT_BYTES)
            documents = pipeline.execute(raise_on_error=False)  # a key may hold another type
        found = {node: _parse(one, node) for node, one in zip(named, documents, strict=True)}
        if gone := [node for node in nodes if found.get(node) is None]:
            self._forget(gone)
        return [report for report in found.values() if report is not None]

    def _forget(self, nodes: Sequence[bytes]) -> None:
        """Remove names without a report; one that reports again adds its name again."""
        with suppress(RedisError):  # a server that takes no write still answers
            self._redis.srem(NODES_KEY, *nodes)

    def _forget_all(self) -> None:
        """Remove what is no set of names; the next reports make one."""
        with suppress(RedisError):
            self._redis.unlink(NODES_KEY)

    def _read_counts(self) -> Mapping[bytes, bytes]:
        try:
            if self._redis.hlen(LOOKUPS_KEY) > MOST_COUNTS:
                return {}
            counts: Mapping[bytes, bytes] = self._redis.hgetall(LOOKUPS_KEY)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return {}  # the caches delete it when they count
        return counts

    def close(self) -> None:
        """Close the connection."""
        with suppress(RedisError):
            self._redis.close()


def _key(node: str | bytes) -> bytes:
    return b"cinemill:worker:" + (node.encode() if isinstance(node, str) else node)


def _parse(document: object, node: bytes) -> LiveWorker | None:
    """Return a node's report; None for one of a version that writes others, or of nobody's."""
    if not isinstance(document, bytes) or len(document) > LARGEST_REPORT_BYTES:
        return None
    try:
        report = _REPORT.validate_json(document)
    except ValidationError:
        return None
    return report if report.node.encode() == node else None


def _read_lookups(counts: Mapping[bytes, bytes]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the counts by cache and outcome, without those that this version does not know."""
    for name, count in counts.items():
        cache, _, outcome = name.decode("ascii", "replace").partition(":")
        if outcome in list(Lookup) and count.isdigit() and len(count) <= MOST_DIGITS:
            yield (cache, outcome), int(count)
