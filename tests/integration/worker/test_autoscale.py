"""A worker with as many processes as there is work for, within its bounds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from tests.films import make_film
from tests.integration.redis_databases import take_redis_database
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.integration.worker.test_releasing_work import errors_in_log
from tests.processes import suspend_encoders
from tests.waiting import wait_until

from cinemill.core.job import JobState
from cinemill.storage.metrics.live_workers import LiveWorkers

pytestmark = pytest.mark.sandbox  # where a command's folder shows

OWN_REDIS_DATABASE = 11


@pytest.fixture
def stack(database_url: str, redis_url: str, films_folder: Path, tmp_path: Path) -> Iterator[Stack]:
    settings = {
        "CINEMILL_HOME": str(tmp_path),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "CELERY_WORKER_AUTOSCALE": "3,1",
        "AUTOSCALE_KEEPALIVE": "2",
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack:
        beat = start_service("cinemill.worker.beat", stack)
        yield stack
        stop_service(beat)


@pytest.fixture
def worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    worker = start_service("cinemill.worker", stack)
    yield worker
    stop_service(worker)


def count_processes(worker: subprocess.Popen[bytes]) -> int:
    return len(psutil.Process(worker.pid).children())


def submit(stack: Stack, film: Path) -> str:
    return str(stack.app.tasks["process_video"].apply_async(args=[str(film)]).id)


def is_done(stack: Stack, job_id: str) -> bool:
    return stack.service.get_job(job_id).state is JobState.COMPLETED


def test_autoscaled_worker_grows_under_load_and_shrinks_when_idle(
    stack: Stack, worker: subprocess.Popen[bytes], films_folder: Path, long_film: Path
) -> None:
    assert count_processes(worker) == 1
    long = submit(stack, long_film)
    suspend_encoders(stack.home / "work")  # so this one lasts longest, however busy the machine
    films = [make_film(films_folder / f"{n}.mp4", seconds=2, size=(64, 48 + n)) for n in (2, 4)]
    short = [submit(stack, film) for film in films]
    wait_until(lambda: count_processes(worker) == 3)
    with closing(LiveWorkers(stack.context.redis_url)) as reports:
        wait_until(lambda: [one.slots for one in reports.list_workers()] == [3])
    wait_until(lambda: all(is_done(stack, job) for job in short))
    wait_until(lambda: count_processes(worker) == 1)

    states = rows.run_states(stack.database, stack.service.get_job(long))
    assert states == ["succeeded", "succeeded", "running"]
    stack.service.cancel_job(long, "enough")
    wait_until(lambda: stack.service.get_job(long).state is JobState.CANCELLED)
    again = submit(stack, make_film(films_folder / "6.mp4", seconds=1, size=(64, 54)))
    wait_until(lambda: is_done(stack, again))
    for job_id in (*short, again):
        steps = rows.get_steps(stack.database, stack.service.get_job(job_id)).values()
        assert [(step.failures, step.crashes) for step in steps] == [(0, 0)] * len(steps)
    assert errors_in_log(stack) == []
