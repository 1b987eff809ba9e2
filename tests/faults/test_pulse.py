"""The pulse of a worker, which reports to its supervisor that it takes waiting work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from tests.faults.cluster import QUEUES, Cluster, ClusterPlan
from tests.faults.kinds import DRILL_CATALOG, EFFECT_TABLE
from tests.faults.process_entrypoints import PULSE_SECONDS
from tests.faults.queries import Queries
from tests.faults.refusals import out_of_memory
from tests.waiting import wait_until

from cinemill.config import load
from cinemill.jobs.service import JobService
from cinemill.worker.app_factory import build_app
from cinemill.worker.process.pulse import PULSE_FILE

WORKER, RELAY = "w2", "b1"
SLOTS = 3


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pulse") / "worker.pulse"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, pulse: Path) -> Iterator[Cluster]:
    """Start one worker with three pool processes and a pulse file, and a beat with its relay."""
    plan = ClusterPlan(workers=2, concurrency=SLOTS)
    with Cluster(tmp_path_factory.mktemp("pulse") / "cluster", plan) as running:
        Queries(running.database).change(EFFECT_TABLE)
        running.parts[WORKER].start(
            CELERY_WORKER_CONCURRENCY=str(SLOTS), **{PULSE_FILE: str(pulse)}
        )
        running.parts[RELAY].start()
        running.wait_ready(WORKER, RELAY)
        wait_until(pulse.exists)  # the first check is made by a thread that starts at that time
        yield running


@pytest.fixture
def service(cluster: Cluster) -> JobService:
    return JobService(cluster.database, catalog=DRILL_CATALOG)


@pytest.fixture
def app(cluster: Cluster) -> Iterator[Celery]:
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    yield app
    app.close()


def keeps_beating(pulse: Path) -> bool:
    """Return whether the pulse file is touched again within a minute and a half."""
    felt = pulse.stat().st_mtime_ns
    wait_until(lambda: pulse.stat().st_mtime_ns != felt)
    return True


def has_stopped(pulse: Path) -> bool:
    """Return whether the pulse file is untouched for four intervals."""
    felt = pulse.stat().st_mtime_ns
    time.sleep(4 * PULSE_SECONDS)
    return pulse.stat().st_mtime_ns == felt


def test_worker_with_long_tasks_has_a_pulse(
    cluster: Cluster, service: JobService, pulse: Path
) -> None:
    queries = Queries(cluster.database)
    jobs = [
        service.create_job("drill_work_job", params={"seconds": 300}).id for _ in range(2 * SLOTS)
    ]
    wait_until(lambda: len(queries.current_runs()) == SLOTS)
    assert all(keeps_beating(pulse) for _ in range(4))
    for job_id in jobs:
        service.cancel_job(job_id, "the test is over")
    wait_until(lambda: queries.unfinished() == 0)


def test_worker_whose_broker_refuses_has_a_pulse(
    cluster: Cluster, service: JobService, pulse: Path
) -> None:
    queries = Queries(cluster.database)
    with out_of_memory(cluster.servers.redis_url):
        service.create_job("drill_work_job", params={"seconds": 0.1})
        assert all(keeps_beating(pulse) for _ in range(4))
    wait_until(lambda: queries.unfinished() == 0)


def test_worker_that_takes_no_waiting_work_has_no_pulse(
    cluster: Cluster, service: JobService, app: Celery, pulse: Path
) -> None:
    queries = Queries(cluster.database)
    for queue in QUEUES.split(","):
        app.control.cancel_consumer(queue)
    assert keeps_beating(pulse), "nothing waits"
    service.create_job("drill_work_job", params={"seconds": 0.1})
    wait_until(lambda: has_stopped(pulse))
    for queue in QUEUES.split(","):
        app.control.add_consumer(queue)
    wait_until(lambda: queries.unfinished() == 0)
    assert keeps_beating(pulse)


def test_worker_with_one_cancelled_queue_has_a_pulse(
    cluster: Cluster, service: JobService, app: Celery, pulse: Path
) -> None:
    """A control command cancelled the queue, and the worker consumes the others."""
    app.control.cancel_consumer("default")
    job = service.create_job("drill_work_job", params={"seconds": 0.1})
    assert all(keeps_beating(pulse) for _ in range(4))
    app.control.add_consumer("default")
    wait_until(lambda: service.get_job(job.id).state.is_final)
