"""Overhead of the job engine, and how soon work starts."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import redis

from bench.instance import Instance, running_instance
from bench.report import BenchRow
from cinemill.core.job import JobState
from cinemill.jobs.service import JobService
from cinemill.media.ffmpeg.binary import find_ffmpeg

ROUNDS = 3
SHORT_ROUNDS = 30
EVENT_ROUNDS = 40
BATCH_JOBS = 10_000
BATCH_SECONDS = 0.1
INTERACTIVE_JOBS = 50
SHARE_JOBS = 150
SHARE_SECONDS = 0.05

LONG = "testsrc2=size=1920x1080:rate=30:duration=60"
SHORT = "testsrc2=size=64x64:rate=10:duration=0.1"


def measure() -> list[BenchRow]:
    """Measure every figure of the engine on one running instance."""
    with running_instance() as instance:
        service = _service(instance)
        _warm_up(service)
        return [
            measure_overhead(instance, service),
            measure_fixed_cost(instance, service),
            measure_first_event(instance, service),
            measure_shares(service),
            measure_interactive(service),
        ]


def measure_overhead(instance: Instance, service: JobService) -> BenchRow:
    """Measure a job's processor time over that of the same FFmpeg command by itself; medians."""
    source = _encode_source(instance.home / "long.mp4")
    arguments = ["-i", f"file:{source}", "-vf", "scale=854:480", "-preset", "veryfast"]
    arguments += ["-f", "mp4", "out.mp4"]
    ratios = []
    for _ in range(ROUNDS):
        bare = _bare_cpu_seconds(arguments, instance.home)
        before = instance.worker_cpu_seconds()
        _run(service, "bench_command", {"arguments": arguments})
        ratios.append((instance.worker_cpu_seconds() - before) / bare)
    return BenchRow(
        "a job over its bare FFmpeg command, 60 s of 1080p",
        statistics.median(ratios),
        1.02,
        detail=f"CPU of the worker's whole tree, median of {ROUNDS}, alternating",
    )


def measure_fixed_cost(instance: Instance, service: JobService) -> BenchRow:
    """Measure wall time from submit to completed, minus that of the bare command; medians."""
    arguments = ["-f", "lavfi", "-i", SHORT, "-f", "null", "-"]
    jobs, commands = [], []
    for _ in range(SHORT_ROUNDS):
        commands.append(_wall_seconds(partial(_run_bare, arguments, instance.home)))
        started = time.perf_counter()
        _run(service, "bench_command", {"arguments": arguments}, poll_seconds=0.001)
        jobs.append(time.perf_counter() - started)
    cost = statistics.median(jobs) - statistics.median(commands)
    return BenchRow(
        "fixed cost of a short job",
        cost * 1000,
        15,
        "ms",
        f"submit to completed, minus the bare command, medians of {SHORT_ROUNDS}",
    )


def measure_first_event(instance: Instance, service: JobService) -> BenchRow:
    """Measure from submit to the first progress event on the job's channel, on an idle instance."""
    waits = sorted(_wait_for_event(instance, service) for _ in range(EVENT_ROUNDS))
    return BenchRow(
        "submit to first progress event, idle, p95",
        _percentile(waits, 0.95) * 1000,
        250,
        "ms",
        f"of {EVENT_ROUNDS}; median {statistics.median(waits) * 1000:.0f} ms",
    )


def measure_shares(service: JobService) -> BenchRow:
    """Measure Jain's index of two users' completed jobs while both wait, the second late."""
    for owner in ("first", "second"):
        _submit_many(service, owner, SHARE_JOBS, SHARE_SECONDS)
    time.sleep(SHARE_JOBS * SHARE_SECONDS / 2)
    done = Counter(job.owner for job in _completed(service) if job.owner in ("first", "second"))
    shares = [done["first"], done["second"]]
    index = sum(shares) ** 2 / (2 * sum(share**2 for share in shares))
    _cancel_pending(service)
    return BenchRow(
        "two users' shares (Jain)",
        index,
        0.95,
        detail=f"{shares[0]} and {shares[1]} of {2 * SHARE_JOBS} jobs, first come first queued",
        more_is_better=True,
    )


def measure_interactive(service: JobService) -> BenchRow:
    """Measure from submit to start of urgent jobs behind ten thousand queued ones."""
    _submit_many(service, "batch", BATCH_JOBS, BATCH_SECONDS)
    waits = []
    for _ in range(INTERACTIVE_JOBS):
        job = service.create_job("bench_rest", owner="person", params={"seconds": 0}, priority=9)
        waits.append(_wait_until_started(service, job.id))
    left = service.get_queue_stats()["by_queue"].get("default", 0)
    _cancel_pending(service)
    return BenchRow(
        f"interactive job behind {BATCH_JOBS:,} queued, p99 to start",
        _percentile(sorted(waits), 0.99),
        2,
        "s",
        f"of {INTERACTIVE_JOBS}, 2 workers on {BATCH_SECONDS} s jobs; {left:,} still queued after",
    )


def _service(instance: Instance) -> JobService:
    from bench.application import catalog

    return JobService(instance.database, catalog=catalog)


def _warm_up(service: JobService) -> None:
    """Wait for the worker, and let each of its processes import what it needs."""
    _submit_many(service, "warm", 20, 0.05)
    _run(service, "bench_rest", {"seconds": 0}, patience_seconds=60)


def _run(
    service: JobService,
    kind: str,
    params: dict[str, object],
    *,
    poll_seconds: float = 0.05,
    patience_seconds: float = 300,
) -> None:
    job = service.create_job(kind, owner="bench", params=params)
    end = time.monotonic() + patience_seconds
    while (found := service.get_job(job.id)).state is not JobState.COMPLETED:
        if found.state.is_final or time.monotonic() > end:
            raise RuntimeError(f"{kind} ended as {found.state}: {found.failure}")
        time.sleep(poll_seconds)


def _wait_until_started(service: JobService, job_id: str) -> float:
    while (job := service.get_job(job_id)).started_at is None:
        time.sleep(0.005)
    return (job.started_at - job.queued_at).total_seconds()


def _wait_for_event(instance: Instance, service: JobService) -> float:
    from uuid import uuid4

    job_id = str(uuid4())
    client: Any = redis.Redis.from_url(str(instance.settings.redis_url))
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(f"task_progress:{job_id}")
        channel.get_message(timeout=1)
        started = time.perf_counter()
        service.create_job("bench_rest", owner="bench", params={"seconds": 0.1}, job_id=job_id)
        while channel.get_message(timeout=5) is None:
            pass
        waited = time.perf_counter() - started
    client.close()
    time.sleep(0.15)
    return waited


def _submit_many(service: JobService, owner: str, count: int, seconds: float) -> None:
    params = {"seconds": seconds}
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda _: service.create_job("bench_rest", owner=owner, params=params),
                range(count),
            )
        )


def _completed(service: JobService) -> list:  # type: ignore[type-arg]
    return service.list_jobs(states=[JobState.COMPLETED], limit=10_000)


def _cancel_pending(service: JobService) -> None:
    """Clear the queue, many at a time, so that the next figure starts idle."""
    while pending := service.get_pending_jobs(limit=2000):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(partial(_cancel, service), [job.id for job in pending]))


def _cancel(service: JobService, job_id: str) -> None:
    from cinemill.errors import Conflict

    try:
        service.cancel_job(job_id, "the figure is taken")
    except Conflict:
        return  # it ended in the meantime


def _encode_source(path: Path) -> Path:
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-f", "lavfi", "-i", LONG]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True)
    return path


def _run_bare(arguments: list[str], folder: Path) -> None:
    command = [str(find_ffmpeg(None).ffmpeg), "-y", "-v", "error", "-nostdin", *arguments]
    subprocess.run(command, check=True, cwd=folder)


def _bare_cpu_seconds(arguments: list[str], folder: Path) -> float:
    from bench.report import cpu_seconds_of

    return cpu_seconds_of(partial(_run_bare, arguments, folder))


def _wall_seconds(work: partial[None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
