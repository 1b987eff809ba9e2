"""A worker that is stopped while it works: its work is released and counts as no attempt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.redis_databases import take_redis_database
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.processes import processes_of, suspend_encoders
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.job import Job, JobState, StepState

pytestmark = pytest.mark.sandbox  # where a command's folder shows

OWN_REDIS_DATABASE = 10


@pytest.fixture
def stack(database_url: str, redis_url: str, films_folder: Path, tmp_path: Path) -> Iterator[Stack]:
    """Yield an instance with beat and without workers yet."""
    settings = {
        "CINEMILL_HOME": str(tmp_path),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "CELERY_WORKER_CONCURRENCY": "1",
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack:
        beat = start_service("cinemill.worker.beat", stack)
        yield stack
        stop_service(beat)


@contextmanager
def worker_at_work(
    stack: Stack, film: Path, pool: str
) -> Iterator[tuple[Job, subprocess.Popen[bytes]]]:
    """Yield a worker whose FFmpeg ends only if it is killed, and its job."""
    stack.environment["CELERY_WORKER_POOL"] = pool
    worker = start_service("cinemill.worker", stack)
    try:
        task = stack.app.tasks["process_video"]
        job_id = task.apply_async(args=[str(film)]).id
        wait_until(lambda: stack.service.get_job(job_id).stage == "prepare")
        suspend_encoders(stack.home / "work")
        yield stack.service.get_job(job_id), worker
    finally:
        worker.kill()
        worker.wait()
        for process in processes_of(stack.home / "work"):
            process.kill()


def errors_in_log(stack: Stack) -> list[str]:
    lines = (stack.home / "log" / "worker.log").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [event["event"] for event in events if event["level"] in ("error", "critical")]


def was_released(stack: Stack, job: Job) -> bool:
    """Return whether the step waits for another worker and no attempt was counted."""
    step = rows.get_steps(stack.database, job)["prepare"]
    returned = rows.run_states(stack.database, job).count("returned") == 1
    return returned and (step.state, step.failures, step.crashes) == (StepState.QUEUED, 0, 0)


@pytest.mark.parametrize(
    ("pool", "stop"),
    [
        ("solo", signal.SIGTERM),
        ("prefork", signal.SIGTERM),
        ("solo", signal.SIGHUP),  # the end of its terminal
        ("prefork", signal.SIGHUP),
    ],
)
def test_stopping_worker_releases_its_work_and_exits(
    stack: Stack, long_film: Path, pool: str, stop: signal.Signals
) -> None:
    with worker_at_work(stack, long_film, pool) as (job, worker):
        worker.send_signal(stop)
        worker.wait(timeout=PATIENCE_SECONDS)
        assert was_released(stack, job)
        wait_until(lambda: processes_of(stack.home / "work") == [])
        assert list((stack.home / "work").iterdir()) == []
    assert stack.service.get_job(job.id).state is JobState.RUNNING
    assert errors_in_log(stack) == []


def test_pool_of_a_frozen_worker_releases_its_work(stack: Stack, long_film: Path) -> None:
    """It is stopped as the supervisor does: the group is signalled first, and then killed."""
    with worker_at_work(stack, long_film, "prefork") as (job, worker):
        worker.send_signal(signal.SIGSTOP)
        os.killpg(worker.pid, signal.SIGTERM)
        wait_until(lambda: was_released(stack, job))
        os.killpg(worker.pid, signal.SIGKILL)
        wait_until(lambda: processes_of(stack.home / "work") == [])
