"""No event of any job runs backwards, and all of its runs state one time left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.integration.jobs.bench import Bench
from tests.integration.storage import rows

from cinemill.core.job import Job, JobState, Progress, RunState, StepSpec
from cinemill.errors import CommandFailed, Postponed
from cinemill.jobs import events
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.runs import heartbeat
from cinemill.jobs.step import StepContext, StepOutcome

CHUNK_SECONDS = 1.5
WORKERS = 3


class Watched(list[dict[str, Any]]):
    """The events of one job, as a subscriber of its channel receives them."""

    @property
    def shown(self) -> list[float]:
        return [event["progress"] for event in self]


@pytest.fixture(autouse=True)
def quick_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "NOTE_SECONDS", 0.2)


@contextmanager
def watching(url: str, job: Job) -> Iterator[Watched]:
    watched = Watched()
    with redis.Redis.from_url(url, decode_responses=True) as client, client.pubsub() as channel:
        channel.subscribe(f"task_progress:{job.id}")
        channel.get_message(timeout=5)
        yield watched
        while (message := channel.get_message(timeout=0.5)) is not None:
            if message["type"] == "message":
                watched.append(json.loads(message["data"]))


def work(context: StepContext, *, seconds: float = 1.0, until: float = 1.0) -> StepOutcome:
    """Report every tenth of a second."""
    began = time.monotonic()
    while (fraction := (time.monotonic() - began) / seconds) < until:
        context.report(fraction, f"Working, {fraction:.2f}")
        time.sleep(0.1)
    return StepOutcome()


def execute_together(bench: Bench, job: Job, tmp_path: Path, workers: int) -> None:
    """Work on all that is queued of the job with so many runners, to its end."""

    def run(number: int) -> None:
        worker = Bench(bench.database, bench.service, bench.sink, tmp_path / f"worker-{number}")
        worker.handlers = bench.handlers
        runner = worker.make_runner()
        while not bench.job(job).state.is_final:
            rows.change(
                bench.database, "UPDATE run SET delay_ends = NULL WHERE job_id = :id", id=job.id
            )
            queued = list(rows.queued_runs(bench.database, job.id).values())
            if queued:
                runner.execute(queued[number % len(queued)])
            else:
                time.sleep(0.05)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(run, number) for number in range(workers)]:
            future.result()


def test_events_of_parallel_chunks_never_fall(bench: Bench, own_redis: str, tmp_path: Path) -> None:
    """Three workers of different speed, each of which knows of the others only now and then."""
    seconds = iter([1.0, 0.5, 1.5] * 20)
    bench.handlers["work"] = lambda context: work(context, seconds=next(seconds))
    job = bench.service.create_job("crowd")
    with watching(own_redis, job) as watched:
        execute_together(bench, job, tmp_path, WORKERS)
    assert bench.job(job).state is JobState.COMPLETED
    assert len(watched) > 20
    assert watched.shown == sorted(watched.shown)
    assert watched.shown[-1] > 90


def test_events_never_fall_when_a_step_fails_and_plans_more(bench: Bench, own_redis: str) -> None:
    attempts: list[str] = []

    def handle(context: StepContext) -> StepOutcome:
        name = context.run.step_name
        attempts.append(name)
        work(context, seconds=0.6, until=0.9)
        if attempts.count(name) == 1:
            raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")
        chunks = [StepSpec(f"chunk-{number}", "work") for number in range(3)]
        return StepOutcome(steps=chunks if name == "first" else ())

    bench.handlers["work"] = handle
    job = bench.service.create_job("chain")
    with watching(own_redis, job) as watched:
        for name in ("first", "chunk-0", "chunk-1", "chunk-2", "second"):
            assert bench.execute(job, name) is RunState.FAILED
            assert bench.execute(job, name) is RunState.SUCCEEDED
    assert bench.job(job).state is JobState.COMPLETED
    assert watched.shown == sorted(watched.shown)


def test_events_never_fall_when_a_person_retries(bench: Bench, own_redis: str) -> None:
    def fail(context: StepContext) -> StepOutcome:
        work(context, seconds=1.0, until=0.9)
        raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="", code="broken")

    job = bench.submit(fail)
    with watching(own_redis, job) as watched:
        while bench.job(job).state is not JobState.FAILED:
            bench.execute(job)
        retried = bench.service.retry_job(job.id)
        assert retried.progress > 0
        bench.handlers["work"] = work
        bench.execute(job)
    assert watched.shown == sorted(watched.shown)


def test_events_of_work_that_waits_never_fall(bench: Bench, own_redis: str) -> None:
    shares = iter([0.2, 0.4, 0.3, 0.6, 0.8])

    def handle(context: StepContext) -> StepOutcome:
        time.sleep(0.3)
        share = next(shares, None)
        if share is None:
            return StepOutcome()
        context.report(share, f"{share:.0%} of the renders have finished")
        raise Postponed("Not yet.", delay_seconds=0.1)

    job = bench.submit(handle)
    with watching(own_redis, job) as watched:
        while not bench.job(job).state.is_final:
            bench.execute(job)
    assert bench.job(job).state is JobState.COMPLETED
    assert watched.shown == sorted(watched.shown)
    assert watched.shown[-1] == pytest.approx(80, abs=1)


def test_handler_that_begins_again_within_an_attempt_shows_no_step_back(
    bench: Bench, own_redis: str
) -> None:
    def handle(context: StepContext) -> StepOutcome:
        work(context, seconds=0.7)
        work(context, seconds=0.7)
        return StepOutcome()

    job = bench.submit(handle)
    with watching(own_redis, job) as watched:
        bench.execute(job)
    assert watched.shown == sorted(watched.shown)


def test_events_never_fall_although_redis_is_flushed(
    bench: Bench, own_redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has the last event any more: each run waits until it knows what the others showed."""
    # Ten notes of each run, as a busy machine may delay some.
    monkeypatch.setattr(events, "GATHER_SECONDS", 2.5)
    bench.handlers["work"] = lambda context: work(context, seconds=2.0)
    job = bench.service.create_job("crowd")
    is_over = threading.Event()

    def flush() -> None:
        with redis.Redis.from_url(own_redis) as client:
            while not is_over.wait(4.0):
                client.flushdb()

    flusher = threading.Thread(target=flush)
    with watching(own_redis, job) as watched:
        flusher.start()
        try:
            execute_together(bench, job, tmp_path, WORKERS)
        finally:
            is_over.set()
            flusher.join()
    assert bench.job(job).state is JobState.COMPLETED
    assert len(watched) > 5
    assert watched.shown == sorted(watched.shown)


def test_event_that_follows_one_that_is_lost_waits(
    sink: EventPublisher, own_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "GATHER_SECONDS", 1.0)
    monkeypatch.setattr(events, "LEAST_INTERVAL_SECONDS", 0.0)
    progress = Progress("job-1", "work", "running", 60.5, "Working", "first")
    with redis.Redis.from_url(own_redis) as client:
        assert sink.publish(progress)
        assert sink.publish(progress, is_first=False)
        client.flushdb()
        assert not sink.publish(progress, is_first=False)
        assert sink.publish_now(replace(progress, job_id="job-2", status="failed"))
        assert not client.exists("task_status:job-1", "task_events:job-1")
        time.sleep(1.1)
        assert sink.publish(progress, is_first=False)
        client.flushdb()
        assert not sink.publish(progress, is_first=False)


@pytest.mark.parametrize("status", ["pending", "running", "failed", "cancelled"])
def test_no_event_shows_less_than_the_one_before(
    sink: EventPublisher, own_redis: str, status: str
) -> None:
    """Also one that another process made of an older row."""
    progress = Progress("job-1", "work", "running", 60.5, "Working „60“ /", "first")
    with redis.Redis.from_url(own_redis, decode_responses=True) as client:
        assert sink.publish_now(progress)
        assert sink.publish_now(replace(progress, status=status, progress=12.0))
        event = json.loads(str(client.get("task_status:job-1")))
    expected = {**replace(progress, status=status).to_json(), "progress": 60.5}
    assert event == expected


def test_time_left_of_parallel_chunks_is_that_of_the_job(
    bench: Bench, own_redis: str, tmp_path: Path
) -> None:
    """Thirty chunks on three workers: neither what one chunk takes, nor thirty times that.

    How slow the machine is changes what is stated and how long it takes in the same way.
    """
    bench.handlers["work"] = lambda context: work(context, seconds=CHUNK_SECONDS)
    job = bench.service.create_job("crowd")
    stated: list[tuple[int, float]] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.25):
            status = bench.service.get_job_status(job.id)
            if status["seconds_left"] is not None:
                waiting = sum(step["status"] == "queued" for step in status["steps"])
                stated.append((waiting, status["seconds_left"]))

    watcher = threading.Thread(target=look)
    watcher.start()
    began = time.monotonic()
    try:
        execute_together(bench, job, tmp_path, WORKERS)
    finally:
        is_over.set()
        watcher.join()
    whole = time.monotonic() - began
    assert len({waiting for waiting, _ in stated}) > 5
    for waiting, left in stated:
        assert left >= waiting // WORKERS * CHUNK_SECONDS / 2
        assert left <= 4 * whole
