"""From figures to what Prometheus reads: names, labels, histograms, and parts that are down."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cinemill.api.metrics.families import write_families
from cinemill.api.metrics.names import METRICS, OTHER, MetricType
from cinemill.api.metrics.scrape import SharedReading
from cinemill.catalog import CATALOG
from cinemill.core.hardware import Offer
from cinemill.errors import DatabaseUnavailable
from cinemill.storage.metrics.database_figures import (
    DatabaseFigures,
    QueueFigures,
    ServerFigures,
    StoredCounts,
)
from cinemill.storage.metrics.live_workers import GpuFigures, LiveWorker, RedisFigures
from cinemill.storage.metrics.totals import BOUNDS, Total

SERVER = ServerFigures(90, 2, 0, 1000, 10, 3.5, 100, {"active": 1, "idle": 4})
TOTALS = [
    Total("attempt", ("analyze_video", "succeeded"), 9, 2, 13.0),
    Total("attempt", ("analyze_video", "succeeded"), 11, 1, 42.0),
    Total("attempt", ("analyze_video", "failed"), 3, 4, 0.5),
    Total("attempt", ("of a package", "succeeded"), 0, 1, 0.001),
    Total("attempt", ("of another", "succeeded"), 0, 1, 0.001),
    Total("wait", ("detection",), 0, 3, 0.01),
    Total("analysis", ("hit",), 0, 5, 0.02),
    Total("analysis", ("miss",), 9, 2, 12.0),
    Total("frames", (), 17, 2, 64.0),
    Total("stage", ("features",), 7, 2, 5.0),
    Total("stage", ("mystery",), 7, 2, 5.0),
]
DATABASE = DatabaseFigures(
    round_trip_seconds=0.001,
    server=SERVER,
    totals=TOTALS,
    active_jobs={("detect_video", "pending"): 2, ("gone", "running"): 1},
    stored=StoredCounts({("detect_video", "completed"): 7}, {"no_face": 3}),
    queues=[QueueFigures("detection", 2, 1, 1, 12.5), QueueFigures("vanished", 1, 0, 0, 99.0)],
    dead_steps=1,
    dead_messages=2,
    reviews=3,
    encoders=[Offer("celery@one", "h264_nvenc", "h264", None, "")],
    relay_silent_seconds=0.5,
)
GPU = GpuFigures(0, "H200", 50, 1024, 2048, "GPU-1")
MIG = GpuFigures(0, "H200 MIG 1g", None, 512, 1024, "MIG-1")
WORKERS = [
    LiveWorker("celery@one", "one", 2, 1, ("detection", "default"), (GPU, MIG), 3 << 30),
    LiveWorker("second@one", "one", 4, 0, ("detection", "unknown"), (GPU, MIG)),
]
REDIS = RedisFigures(0.0005, 1000, 0, 12, 345, 0, WORKERS, {("results", "hit"): 6})


class Families:
    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        yield from self.families


def write(
    database: DatabaseFigures | None = DATABASE, redis: RedisFigures | None = REDIS
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the values of all samples, as Prometheus reads the text."""
    families = [*write_families(CATALOG, database, redis)]
    text = generate_latest(Families(families)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(name: str, database: DatabaseFigures | None = DATABASE, **labels: str) -> float | None:
    return write(database).get((f"cinemill_{name}", frozenset(labels.items())))


def test_every_metric_of_the_reference_is_written_and_no_other() -> None:
    families = {family.name: family for family in write_families(CATALOG, DATABASE, REDIS)}
    assert set(families) == {spec.name.removesuffix("_total") for spec in METRICS}
    for spec in METRICS:
        family = families[spec.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (spec.type.value, spec.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(spec.labels)


def test_names_follow_the_conventions() -> None:
    for spec in METRICS:
        assert re.fullmatch(r"cinemill_[a-z]+(_[a-z]+)*", spec.name)
        assert spec.name.endswith("_total") is (spec.type is MetricType.COUNTER)
        assert spec.type is not MetricType.HISTOGRAM or spec.name.endswith("_seconds")
        assert spec.meaning.endswith(".")


def test_no_two_samples_are_the_same_series() -> None:
    samples = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in write_families(CATALOG, DATABASE, REDIS)
        for sample in family.samples
    ]
    assert len(samples) == len(set(samples))


def test_histogram_counts_what_is_up_to_each_bound() -> None:
    buckets = [
        (value("attempt_seconds_bucket", step="analyze_video", le=str(bound)) or 0)
        for bound in BOUNDS
    ]
    assert buckets == sorted(buckets)
    assert value("attempt_seconds_bucket", step="analyze_video", le="10.0") == 2
    assert value("attempt_seconds_bucket", step="analyze_video", le="60.0") == 3
    assert value("attempt_seconds_bucket", step="analyze_video", le="+Inf") == 3
    assert value("attempt_seconds_count", step="analyze_video") == 3
    assert value("attempt_seconds_sum", step="analyze_video") == 55


def test_outcomes_are_counted_and_only_successes_timed() -> None:
    assert value("attempts_total", step="analyze_video", outcome="failed") == 4
    assert value("attempts_total", step="analyze_video", outcome="succeeded") == 3


def test_values_of_labels_that_nobody_knows_become_one() -> None:
    assert value("attempts_total", step=OTHER, outcome="succeeded") == 2
    assert value("analysis_stage_seconds_count", stage=OTHER) == 2
    assert value("queue_runs", queue=OTHER, state="waiting") == 1
    assert value("jobs", kind=OTHER, state="running") == 1
    written = str(write())
    assert all(word not in written for word in ("mystery", "vanished", "of a package"))


def test_queue_without_work_is_zero_and_not_absent() -> None:
    assert value("queue_runs", queue="render", state="waiting") == 0
    assert value("queue_oldest_waiting_seconds", queue="render") == 0
    assert value("queue_oldest_waiting_seconds", queue="detection") == 12.5
    assert value("jobs", kind="transcode", state="pending") == 0


def test_cache_hits_and_frames_are_counted() -> None:
    assert value("analyses_total", cache="hit") == 5
    assert value("analyses_total", cache="miss") == 2
    assert value("analysis_frames_total") == 64
    assert value("cache_lookups_total", cache="results", outcome="hit") == 6
    assert value("cache_lookups_total", cache="embeddings", outcome="damaged") == 0


def test_workers_and_their_queues_are_counted() -> None:
    assert value("workers") == 2
    assert value("queue_workers", queue="detection") == 2
    assert value("queue_workers", queue="default") == 1
    assert value("queue_workers", queue="render") == 0
    assert value("worker_busy", worker="celery@one") == 1


def test_memory_is_given_for_workers_that_report_it() -> None:
    assert value("worker_memory_bytes", worker="celery@one") == 3 << 30
    assert value("worker_memory_bytes", worker="second@one") is None


def test_gpu_of_two_workers_is_one_and_an_instance_without_use_has_none() -> None:
    assert value("gpus") == 2
    assert value("gpu_utilization_ratio", host="one", gpu="GPU-1") == 0.5
    assert value("gpu_utilization_ratio", host="one", gpu="MIG-1") is None
    assert value("gpu_memory_used_bytes", host="one", gpu="MIG-1") == 512 * 2**20


@pytest.mark.parametrize(
    ("database", "redis", "up", "missing"),
    [
        (None, REDIS, (0, 1), "cinemill_jobs"),
        (DATABASE, None, (1, 0), "cinemill_workers"),
        (None, None, (0, 0), "cinemill_database_transactions_total"),
    ],
)
def test_component_that_is_down_says_so_and_its_metrics_are_absent(
    database: DatabaseFigures | None,
    redis: RedisFigures | None,
    up: tuple[int, int],
    missing: str,
) -> None:
    written = write(database, redis)
    for name, state in zip(("postgresql", "redis"), up, strict=True):
        key = ("cinemill_component_up", frozenset({("component", name)}))
        assert written[key] == state
    assert missing not in {name for name, _ in written}


def test_reading_that_hangs_is_given_up_and_asked_for_once() -> None:
    gate, calls = threading.Event(), []

    def read() -> int:
        calls.append(1)
        gate.wait()
        return 7

    async def ask() -> tuple[list[int | None], int | None]:
        reading = SharedReading("test", read)
        loop = asyncio.get_running_loop()
        hung = await asyncio.gather(*(reading.get(loop.time() + 0.01) for _ in range(5)))
        gate.set()
        answer = await reading.get(loop.time() + 60)
        reading.close()
        return hung, answer

    assert asyncio.run(ask()) == ([None] * 5, 7)
    assert len(calls) == 1


def test_reading_of_a_server_that_is_down_is_none_and_the_next_one_tries_again() -> None:
    answers: list[int | Exception] = [DatabaseUnavailable("away"), 3]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask() -> list[int | None]:
        reading = SharedReading("test", read)
        end = asyncio.get_running_loop().time() + 60
        found = [await reading.get(end), await reading.get(end)]
        reading.close()
        return found

    assert asyncio.run(ask()) == [None, 3]


def test_samples_of_the_library_are_not_registered_twice() -> None:
    """Ours are in no global registry, so that a second application in one process has its own."""
    registry = CollectorRegistry()
    registry.register(Families([*write_families(CATALOG, None, None)]))
    assert b"cinemill_component_up" in generate_latest(registry)
