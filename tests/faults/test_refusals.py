"""A Redis that refuses for some seconds: work continues when it takes writes again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.faults.cluster import Cluster, ClusterPlan
from tests.faults.kinds import DRILL_CATALOG, EFFECT_TABLE
from tests.faults.queries import Queries
from tests.faults.refusals import REFUSALS, Refusal, read_only
from tests.waiting import wait_until

from cinemill.config import load
from cinemill.jobs.service import JobService
from cinemill.worker.app_factory import build_app

WORKER, RELAY = "w2", "b1"
REFUSED_SECONDS = 3.0
LONG_SECONDS = 300.0
"""The worker's longest task; whatever waits for its end is not done in time."""
MOST_COMPLAINTS = 10
"""Log lines of level ERROR or above that one refusal may cause in each process."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start one worker with three pool processes, and a beat with its relay."""
    with Cluster(
        tmp_path_factory.mktemp("refusals") / "cluster", ClusterPlan(workers=2)
    ) as running:
        Queries(running.database).change(EFFECT_TABLE)
        for name in (WORKER, RELAY):
            running.parts[name].start()
        running.wait_ready(WORKER, RELAY)
        yield running


@pytest.fixture
def queries(cluster: Cluster) -> Queries:
    return Queries(cluster.database)


@pytest.fixture
def service(cluster: Cluster) -> JobService:
    return JobService(cluster.database, catalog=DRILL_CATALOG)


def count_errors(cluster: Cluster, name: str) -> int:
    lines = cluster.parts[name].log_file.read_text("utf-8", "replace").splitlines()
    return sum("[error " in line or "[critical" in line for line in lines)


@pytest.fixture
def long_job(queries: Queries, service: JobService) -> Iterator[str]:
    """Start a job that ends long after the test."""
    job_id = service.create_job("drill_work_job", params={"seconds": LONG_SECONDS}).id
    wait_until(lambda: queries.state_of(job_id) == "running")
    yield job_id
    service.cancel_job(job_id, "the test is over")
    wait_until(lambda: queries.state_of(job_id) == "cancelled")


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_work_continues_after_redis_refuses_writes(
    cluster: Cluster, queries: Queries, service: JobService, long_job: str, refusal: Refusal
) -> None:
    pids = {name: cluster.parts[name].pid for name in (WORKER, RELAY)}
    complaints = {name: count_errors(cluster, name) for name in pids}
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    bare_id = str(uuid4())

    before = [service.create_job("drill_work_job", params={"seconds": 1.0}).id for _ in range(8)]
    app.send_task("drill_work_job", kwargs={"seconds": 0.1}, task_id=bare_id, queue="default")
    with refusal(cluster.servers.redis_url):
        meanwhile = service.create_job("drill_work_job", params={"seconds": 0.1}).id
        time.sleep(REFUSED_SECONDS)
    healed = time.monotonic()
    after = service.create_job("drill_work_job", params={"seconds": 0.1}).id

    jobs = (*before, meanwhile, bare_id, after)
    wait_until(lambda: all(queries.state_of(job_id) == "completed" for job_id in jobs))
    print(f"all done {time.monotonic() - healed:.1f} s after the heal")
    assert queries.state_of(long_job) == "running"
    assert [run["state"] for run in queries.runs_of(long_job)] == ["running"]
    assert {name: cluster.parts[name].pid for name in pids} == pids
    assert all(cluster.parts[name].is_running for name in pids)
    app.close()
    for name, count in complaints.items():
        assert count_errors(cluster, name) - count <= MOST_COMPLAINTS, name


def test_worker_whose_broker_refuses_can_be_stopped(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """It waits in its main thread, which has to handle signals."""
    job_id = service.create_job("drill_work_job", params={"seconds": LONG_SECONDS}).id
    wait_until(lambda: queries.state_of(job_id) == "running")
    with read_only(cluster.servers.redis_url):
        wait_until(
            lambda: "the broker refuses writes" in cluster.parts[WORKER].log_file.read_text()
        )
        assert cluster.parts[WORKER].stop(60.0)
        first_run = queries.runs_of(job_id)[0]
        assert first_run["state"] == "returned"
    service.cancel_job(job_id, "the test is over")
    wait_until(lambda: queries.state_of(job_id) == "cancelled")
