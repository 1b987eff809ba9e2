"""Figures to families of samples, as Prometheus' own library writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from cinemill import __version__
from cinemill.api.metrics import names
from cinemill.api.metrics.names import OTHER, MetricSpec, MetricType
from cinemill.jobs.catalog import Catalog
from cinemill.storage.cache.caches import CACHES
from cinemill.storage.cache.store import Lookup
from cinemill.storage.metrics.database_figures import (
    DatabaseFigures,
    QueueFigures,
    ServerFigures,
)
from cinemill.storage.metrics.live_workers import GpuFigures, LiveWorker, RedisFigures
from cinemill.storage.metrics.totals import BOUNDS, Total

MIB = 1024**2
Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """Counts by bucket, and the sum of all values."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, total: Total) -> None:
        """Add the values of one bucket."""
        self.counts[min(total.bucket, len(BOUNDS))] += total.count
        self.sum += total.sum

    def list_buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, count of the values up to it), as Prometheus has them."""
        cumulative, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.counts, strict=True):
            cumulative += count
            buckets.append((bound, float(cumulative)))
        return buckets


def write_gauge(spec: MetricSpec, values: Mapping[Labels, float]) -> Metric:
    """Return the family of a gauge or counter; values by label values, in the spec's order."""
    kind = CounterMetricFamily if spec.type is MetricType.COUNTER else GaugeMetricFamily
    family = kind(spec.name, spec.meaning, labels=spec.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


def write_value(spec: MetricSpec, value: float) -> Metric:
    """Return the family of a gauge or counter without labels."""
    return write_gauge(spec, {(): value})


def write_histogram(spec: MetricSpec, values: Mapping[Labels, Histogram]) -> Metric:
    """Return the family of a histogram."""
    family = HistogramMetricFamily(spec.name, spec.meaning, labels=spec.labels)
    for labels, histogram in sorted(values.items()):
        family.add_metric(labels, histogram.list_buckets(), histogram.sum)
    return family


def write_families(
    catalog: Catalog, database: DatabaseFigures | None, redis: RedisFigures | None
) -> Iterator[Metric]:
    """Yield all families; those of a component that is None say that it is down, or are absent."""
    components = {"postgresql": database, "redis": redis}
    yield write_gauge(names.BUILD, {(__version__,): 1})
    yield write_gauge(
        names.UP, {(name,): float(one is not None) for name, one in components.items()}
    )
    yield write_gauge(
        names.ROUND_TRIP,
        {(name,): one.round_trip_seconds for name, one in components.items() if one is not None},
    )
    if database is not None:
        yield from _write_jobs(catalog, database)
        yield from _write_queues(catalog, database.queues)
        yield from _write_totals(catalog, database.totals)
        yield from _write_server(database.server)
    if redis is not None:
        yield from _write_workers(catalog, redis.workers)
        yield from _write_gpus(redis.workers)
        yield from _write_redis(redis)


def _write_jobs(catalog: Catalog, database: DatabaseFigures) -> Iterator[Metric]:
    jobs: dict[Labels, float] = defaultdict(float)
    for counts in (database.active_jobs, database.stored.jobs):
        for (kind, state), count in counts.items():
            jobs[_known(kind, catalog.jobs), state] += count
    # A kind of which none waits now has zero waiting, and no gap in its graph.
    for kind in catalog.jobs:
        for state in ("pending", "running"):
            jobs.setdefault((kind, state), 0.0)
    yield write_gauge(names.JOBS, jobs)
    yield write_value(names.DEAD_STEPS, database.dead_steps)
    yield write_value(names.DEAD_MESSAGES, database.dead_messages)
    if database.relay_silent_seconds is not None:
        yield write_value(names.RELAY_SILENCE, database.relay_silent_seconds)
    yield write_value(names.REVIEWS, database.reviews)
    verdicts: dict[Labels, float] = {
        (verdict,): count for verdict, count in database.stored.verdicts.items()
    }
    yield write_gauge(names.VERDICTS, verdicts)
    encoders: dict[Labels, float] = {
        (one.node, one.encoder): float(one.is_open) for one in database.encoders
    }
    yield write_gauge(names.ENCODERS, encoders)


def _write_queues(catalog: Catalog, found: Sequence[QueueFigures]) -> Iterator[Metric]:
    runs: dict[Labels, float] = defaultdict(float)
    oldest: dict[Labels, float] = dict.fromkeys(((name,) for name in catalog.queues), 0.0)
    for name in catalog.queues:
        runs |= dict.fromkeys(((name, state) for state in ("waiting", "delayed", "running")), 0.0)
    for one in found:
        name = _known(one.queue, catalog.queues)
        runs[name, "waiting"] += one.waiting
        runs[name, "delayed"] += one.delayed
        runs[name, "running"] += one.running
        oldest[name,] = max(oldest.get((name,), 0.0), one.oldest_seconds)
    yield write_gauge(names.QUEUE_RUNS, runs)
    yield write_gauge(names.QUEUE_OLDEST, oldest)


def _write_totals(catalog: Catalog, totals: Iterable[Total]) -> Iterator[Metric]:
    known: Mapping[str, Collection[str]] = {
        "attempt": catalog.steps,
        "wait": catalog.queues,
        "stage": names.STAGES,
    }
    attempts: dict[Labels, float] = defaultdict(float)
    histograms: dict[str, dict[Labels, Histogram]] = defaultdict(lambda: defaultdict(Histogram))
    frames = 0.0
    for total in totals:
        first = total.labels[0] if total.labels else ""
        label = _known(first, known[total.metric]) if total.metric in known else first
        if total.metric == "attempt":
            attempts[label, total.labels[1]] += total.count
            if total.labels[1] != "succeeded":
                continue
        if total.metric == "frames":
            frames += total.sum
        else:
            histograms[total.metric][label,].add(total)
    yield write_gauge(names.ATTEMPTS, attempts)
    yield write_histogram(names.ATTEMPT_SECONDS, histograms["attempt"])
    yield write_histogram(names.WAIT_SECONDS, histograms["wait"])
    analyses = histograms["analysis"]
    counts = {labels: float(sum(one.counts)) for labels, one in analyses.items()}
    yield write_gauge(names.ANALYSES, {("hit",): 0.0, ("miss",): 0.0, **counts})
    yield write_histogram(names.ANALYSIS_SECONDS, analyses)
    yield write_histogram(names.STAGE_SECONDS, histograms["stage"])
    yield write_value(names.FRAMES, frames)


def _write_server(server: ServerFigures) -> Iterator[Metric]:
    yield write_gauge(
        names.TRANSACTIONS, {("commit",): server.commits, ("rollback",): server.rollbacks}
    )
    yield write_value(names.ACTIVE_SECONDS, server.active_seconds)
    yield write_value(names.DEADLOCKS, server.deadlocks)
    blocks: dict[Labels, float] = {("cache",): server.blocks_hit, ("disk",): server.blocks_read}
    yield write_gauge(names.BLOCKS, blocks)
    connections: dict[Labels, float] = {
        (state,): count for state, count in server.connections.items()
    }
    yield write_gauge(names.CONNECTIONS, connections)
    yield write_value(names.MOST_CONNECTIONS, server.most_connections)


def _write_workers(catalog: Catalog, workers: Sequence[LiveWorker]) -> Iterator[Metric]:
    yield write_value(names.WORKERS, len(workers))
    yield write_gauge(names.WORKER_SLOTS, {(one.node,): one.slots for one in workers})
    yield write_gauge(names.WORKER_BUSY, {(one.node,): one.busy for one in workers})
    memory: dict[Labels, float] = {
        (one.node,): one.memory_bytes for one in workers if one.memory_bytes is not None
    }
    yield write_gauge(names.WORKER_MEMORY, memory)
    by_queue: dict[Labels, float] = dict.fromkeys(((name,) for name in catalog.queues), 0.0)
    for worker in workers:
        for queue in catalog.queues.keys() & set(worker.queues):
            by_queue[queue,] += 1
    yield write_gauge(names.QUEUE_WORKERS, by_queue)


def _write_gpus(workers: Sequence[LiveWorker]) -> Iterator[Metric]:
    """Yield the families of GPUs, each counted once however many workers its machine has."""
    found = {
        (worker.host, gpu.uuid or str(gpu.index)): gpu for worker in workers for gpu in worker.gpus
    }
    yield write_value(names.GPUS, len(found))
    if not found:
        return
    yield write_gauge(names.GPU_INFO, {(*labels, gpu.name): 1.0 for labels, gpu in found.items()})
    yield write_gauge(names.GPU_USE, dict(_list_use(found)))
    used: dict[Labels, float] = {labels: gpu.memory_used * MIB for labels, gpu in found.items()}
    yield write_gauge(names.GPU_USED, used)
    total: dict[Labels, float] = {labels: gpu.memory_total * MIB for labels, gpu in found.items()}
    yield write_gauge(names.GPU_MEMORY, total)


def _list_use(found: Mapping[tuple[str, str], GpuFigures]) -> Iterator[tuple[Labels, float]]:
    for labels, gpu in found.items():
        if gpu.utilization is not None:
            yield labels, gpu.utilization / 100


def _write_redis(redis: RedisFigures) -> Iterator[Metric]:
    yield write_value(names.REDIS_USED, redis.used_bytes)
    yield write_value(names.REDIS_LIMIT, redis.limit_bytes)
    yield write_value(names.REDIS_CLIENTS, redis.clients)
    yield write_value(names.REDIS_COMMANDS, redis.commands)
    yield write_value(names.REDIS_EVICTED, redis.evicted_keys)
    lookups: dict[Labels, float] = {
        (cache, outcome.value): 0.0 for cache in CACHES for outcome in Lookup
    }
    lookups |= {(cache, outcome): count for (cache, outcome), count in redis.cache_lookups.items()}
    yield write_gauge(names.CACHE_LOOKUPS, lookups)


def _known(value: str, values: Collection[str]) -> str:
    return value if value in values else OTHER
