"""A scrape: figures of both servers, each in time or not at all, as the text that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from cinemill.api.metrics.families import write_families
from cinemill.errors import CinemillError
from cinemill.jobs.catalog import Catalog
from cinemill.storage.metrics.database_figures import DatabaseFigureReader
from cinemill.storage.metrics.live_workers import LiveWorkers
from cinemill.telemetry import get_logger

SCRAPE_SECONDS = 3.0
"""In which ``/metrics`` answers, whatever hangs. Prometheus gives up after 10 s by default."""

log = get_logger(__name__)
Value = TypeVar("Value")


class SharedReading(Generic[Value]):
    """Reads something in a thread of its own, once for all who ask while it lasts."""

    def __init__(self, name: str, read: Callable[[], Value]) -> None:
        """``read`` may raise CinemillError, and may hang."""
        self._name = name
        self._read = read
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"metrics-{name}")
        self._future: Future[Value | None] | None = None

    async def get(self, deadline: float) -> Value | None:
        """Return what was read; None if it could not be, or not until the loop's ``deadline``."""
        if self._future is None or self._future.done():
            self._future = self._threads.submit(self._try)
        try:
            async with asyncio.timeout_at(deadline):
                # Others may wait for the same reading, and it goes on without any of them.
                return await asyncio.shield(asyncio.wrap_future(self._future))
        except TimeoutError:
            return None

    def _try(self) -> Value | None:
        try:
            return self._read()
        except CinemillError:
            return None  # the metric cinemill_component_up says so
        except Exception:
            log.exception("metrics could not be read", component=self._name)
            return None

    def close(self) -> None:
        """Forget readings that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Families:
    """What prometheus_client calls a collector."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class MetricsScraper:
    """Answers scrapes. Nothing is connected, and no thread runs, before the first one."""

    def __init__(self, database_url: str, redis_url: str, *, catalog: Catalog) -> None:
        """``catalog`` names the kinds and queues that become values of labels."""
        self._catalog = catalog
        self._rows = DatabaseFigureReader(database_url)
        self._reports = LiveWorkers(redis_url)
        self._database = SharedReading("database", self._rows.read)
        self._redis = SharedReading("redis", self._reports.read_figures)
        self._process = (
            ProcessCollector(registry=None),
            PlatformCollector(registry=None),
        )

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that the header ``Accept`` asks for, and its type."""
        deadline = asyncio.get_running_loop().time() + SCRAPE_SECONDS
        database, redis = await asyncio.gather(
            self._database.get(deadline), self._redis.get(deadline)
        )
        families = [*write_families(self._catalog, database, redis)]
        for collector in self._process:
            families += collector.collect()
        encode, media_type = choose_encoder(accept)
        return encode(_Families(families)), media_type

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
        self._redis.close()
        self._rows.close()
        self._reports.close()
