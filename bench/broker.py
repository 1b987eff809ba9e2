"""Redis memory of jobs: while they run, and once they have ended."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from bench.report import BenchRow
from cinemill.catalog import CATALOG
from cinemill.core.job import Progress
from cinemill.jobs.events import LEAST_INTERVAL_SECONDS, EventPublisher, status_key, stream_key
from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.valkey import describe_valkey

LONG_JOB_SECONDS = 3600
LONG_EVENTS = int(LONG_JOB_SECONDS / LEAST_INTERVAL_SECONDS)
SHORT_EVENTS = 40
SHORT_JOBS = 1000
KIB = 1024
MIB = 1024 * 1024


def measure() -> list[BenchRow]:
    """Measure on a Valkey of its own, with Cinemill's own event publisher."""
    with running_valkey() as url, redis.Redis.from_url(url) as client:
        sink = EventPublisher(url, catalog=CATALOG)
        rows = [*measure_long_job(client, sink), measure_many_jobs(client, sink)]
        sink.close()
    return rows


def measure_long_job(client: redis.Redis, sink: EventPublisher) -> list[BenchRow]:
    """Measure an hour of progress with the most events that a job may publish."""
    job_id = str(uuid4())
    for number in range(LONG_EVENTS):
        sink.publish_now(describe(job_id, number / LONG_EVENTS))
    working = count_bytes(client, job_id)
    sink.publish_now(describe(job_id, 1.0, status="completed"))
    ended = count_bytes(client, job_id)
    how = f"MEMORY USAGE of stream and key after {LONG_EVENTS:,} events"
    return [
        BenchRow("Redis: a running hour-long job", working / KIB, 128, "KiB", how),
        BenchRow("Redis: the same, ended", ended / KIB, 5, "KiB", f"{how}; the stream for an hour"),
    ]


def measure_many_jobs(client: redis.Redis, sink: EventPublisher) -> BenchRow:
    """Measure the growth of the server's memory, extrapolated to the rest of a day."""
    before = used_bytes(client)
    for _ in range(SHORT_JOBS):
        job_id = str(uuid4())
        for number in range(SHORT_EVENTS):
            sink.publish_now(describe(job_id, number / SHORT_EVENTS))
        sink.publish_now(describe(job_id, 1.0, status="completed"))
    grown = (used_bytes(client) - before) / MIB
    return BenchRow(
        f"Redis: {SHORT_JOBS:,} ended jobs", grown, 5, "MiB", "growth of used_memory; keys expire"
    )


def describe(job_id: str, share: float, *, status: str = "running") -> Progress:
    """Return an event of ordinary length."""
    return Progress(
        job_id=job_id,
        job_kind="process_video",
        status=status,
        progress=100 * share,
        message="Encoding 1280x720, h264",
        stage="transcode",
        seconds_left=(1 - share) * LONG_JOB_SECONDS,
    )


def count_bytes(client: Any, job_id: str) -> int:
    keys = (stream_key(job_id), status_key(job_id))
    return sum(int(client.memory_usage(key, samples=0) or 0) for key in keys)


def used_bytes(client: Any) -> int:
    return int(client.info("memory")["used_memory"])


@contextmanager
def running_valkey() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder:
        server = describe_valkey(Path(folder) / "valkey")
        process = RunningServer(
            "Valkey", server.command, server.is_ready, Path(folder) / "log", signal.SIGTERM
        )
        process.start()
        try:
            yield server.url
        finally:
            process.kill()
