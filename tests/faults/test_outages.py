"""One server or process fails while the instance works; each test is a defect found in a drill."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
import redis
from sqlalchemy import text
from tests.faults.cluster import Cluster, ClusterPlan, replace_port
from tests.faults.cuttable_proxy import CuttableProxy
from tests.faults.kinds import DRILL_CATALOG, EFFECT_TABLE
from tests.faults.on_database import pause
from tests.faults.queries import Queries
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.config import load
from cinemill.errors import DatabaseUnavailable
from cinemill.jobs.service import JobService
from cinemill.storage import sessions
from cinemill.storage.database import Database
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.worker.app_factory import build_app
from cinemill.worker.messages.queues import VISIBILITY_TIMEOUT_SECONDS
from cinemill.worker.relay import Broker

WORKER, RELAY = "w2", "b1"
HELD, HOLDS = "cinemill:unacked", "cinemill:unacked_index"
"""Redis keys of messages that workers have taken and not acknowledged, and since when."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start one worker with three pool processes, and a beat with its relay, on a new home."""
    with Cluster(tmp_path_factory.mktemp("parts") / "cluster", ClusterPlan(workers=2)) as running:
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


LONG_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '8 s'
"""
"""Sessions that have waited for a lock four times as long as ours may."""


def has_ended(queries: Queries, job_id: str) -> bool:
    return queries.state_of(job_id) == "completed"


def test_stopping_worker_releases_its_work(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """Once billiard replaced our signal handlers: the attempt counted as a crash, a lease later."""
    ids = [
        service.create_job(kind, params={"seconds": 60}).id
        for kind in ("drill_work_job", "drill_encode_job")
    ]
    wait_until(lambda: len(queries.current_runs()) == len(ids))
    runs = [run.id for run in queries.current_runs()]

    assert cluster.parts[WORKER].stop(20.0)

    states = queries.fetch("SELECT state FROM run WHERE id = ANY(:ids)", ids=runs)
    assert {row["state"] for row in states} == {"returned"}
    assert (
        queries.count("SELECT sum(crashes + failures) FROM step WHERE job_id = ANY(:i)", i=ids) == 0
    )
    for job_id in ids:
        service.cancel_job(job_id, "the test is over")
    cluster.parts[WORKER].start()
    cluster.wait_ready(WORKER)


def test_busy_worker_survives_the_loss_of_redis(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """Once kombu ended the whole worker, as it could not restore unacknowledged messages."""
    busy = service.create_job("drill_work_job", params={"seconds": 4})
    wait_until(queries.current_runs)

    cluster.servers.valkey.kill()
    time.sleep(1.0)
    cluster.servers.valkey.start()
    later = service.create_job("drill_work_job", params={"seconds": 0.1})

    wait_until(lambda: queries.state_of(later.id) == "completed")
    wait_until(lambda: queries.state_of(busy.id) == "completed")
    assert cluster.parts[WORKER].is_running
    assert [run["state"] for run in queries.runs_of(busy.id)] == ["succeeded"]


def test_bare_message_survives_the_loss_of_postgres(cluster: Cluster, queries: Queries) -> None:
    """It used to be acknowledged and lost, although it was the only record of the job."""
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    job_id = str(uuid4())

    cluster.servers.postgres.kill()
    app.send_task(
        "drill_work_job", kwargs={"seconds": 0.1}, task_id=job_id, queue="default", priority=0
    )
    time.sleep(1.5)
    cluster.servers.postgres.start()

    wait_until(lambda: queries.state_of(job_id) == "completed")
    app.close()


def test_bare_message_survives_the_death_of_its_worker(cluster: Cluster, queries: Queries) -> None:
    """It used to be held for a day, since runs were once held while they worked.

    To skip the minutes that it takes now, the time of the hold is changed in Redis. The dead worker
    leaves kombu's lock behind too, with which it was about to queue held messages again: in a drill
    that kept a message for 300 seconds more.
    """
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    job_id = str(uuid4())
    broker = redis.Redis.from_url(cluster.servers.redis_url)

    cluster.servers.postgres.kill()
    app.send_task(
        "drill_work_job", kwargs={"seconds": 0.1}, task_id=job_id, queue="default", priority=0
    )
    wait_until(lambda: broker.hlen(HELD))
    cluster.parts[WORKER].kill()
    assert broker.hlen(HELD) == 1
    cluster.servers.postgres.start()
    cluster.parts[WORKER].start()
    cluster.wait_ready(WORKER)
    assert queries.state_of(job_id) is None

    with app.connection_for_read() as connection:
        channel = connection.default_channel
        lock, seconds = channel.unacked_mutex_key, channel.unacked_mutex_expire
        channel.client.set(lock, "a dead worker", ex=seconds)
    for tag in broker.hkeys(HELD):
        broker.zincrby(HOLDS, -VISIBILITY_TIMEOUT_SECONDS, tag)

    wait_until(lambda: queries.state_of(job_id) == "completed")
    assert broker.hlen(HELD) == 0
    broker.close()
    app.close()


def test_stray_event_does_not_block_the_worker(cluster: Cluster) -> None:
    """Once kombu read pub/sub without a timeout whenever it expected an event."""
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.subclient.subscribe("nothing")
        wait_until(channel.subclient.connection.can_read)
        channel._receive()  # that we have subscribed

        assert not channel._receive()
    app.close()


def test_unresponsive_postgres_query_times_out(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that accepts data and never replies used to block the caller forever."""
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 1.0)
    port = urlsplit(cluster.servers.database_url).port
    assert port is not None
    proxy = CuttableProxy(port)
    cut_off = Database(replace_port(cluster.servers.database_url, proxy.port))
    cut_off.ping()

    with pytest.raises(DatabaseUnavailable), cut_off.begin() as connection:
        proxy.silence()
        connection.execute(text("SELECT 1"))

    proxy.restore()
    cut_off.ping()
    cut_off.close()
    proxy.destroy()


def send_all(broker: Broker, ready: list[ReadyRun]) -> None:
    for run in ready:
        broker.send(run)


@pytest.mark.parametrize("leases", [0.85, 3.0])
def test_slots_that_claim_during_a_postgres_pause_lose_no_job(
    cluster: Cluster, queries: Queries, service: JobService, leases: float
) -> None:
    """Their leases began before the claim, their first heartbeats after it.

    In a longer pause they gave up, and their claims took effect afterwards, without an owner.
    """
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    broker, relay = Broker(app), cluster.parts[RELAY]
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids) AND state = 'completed'"
    # A slot's first task sends a heartbeat at once, to see cancels; this test needs a later one.
    first = [service.create_job("drill_work_job", params={"seconds": 2}).id for _ in range(3)]
    wait_until(lambda: queries.count(query, ids=first) == len(first))
    relay.signal(signal.SIGSTOP)  # so that the messages arrive when nothing responds any more
    try:
        jobs = [service.create_job("drill_work_job", params={"seconds": 3}).id for _ in range(3)]
        queued = queries.fetch(
            "SELECT id, owner, kind, queue, priority FROM run WHERE job_id = ANY(:ids)", ids=jobs
        )
        ready = [ReadyRun(**run) for run in queued]
        sending = threading.Timer(0.5, send_all, [broker, ready])
        sending.start()
        pause(psutil.Process(cluster.servers.postgres.pid), leases * cluster.plan.lease_seconds)
        sending.join()
    finally:
        relay.signal(signal.SIGCONT)

    wait_until(lambda: queries.count(query, ids=jobs) == len(jobs))
    tries = queries.fetch("SELECT state FROM run WHERE job_id = ANY(:ids)", ids=jobs)
    # On a busy machine a worker may find its own lease expired, which is not a crash.
    assert {row["state"] for row in tries} <= {"succeeded", "returned"}
    app.close()


def test_postgres_pause_longer_than_a_lease_counts_no_crash(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """All leases have expired when it continues, although their owners are alive."""
    params = {"seconds": 1.2 * cluster.plan.lease_seconds}
    jobs = [service.create_job("drill_work_job", params=params).id for _ in range(4)]
    wait_until(queries.current_runs)

    pause(psutil.Process(cluster.servers.postgres.pid), 2.5 * cluster.plan.lease_seconds)

    query = "SELECT count(*) FROM job WHERE id = ANY(:ids) AND state = 'completed'"
    wait_until(lambda: queries.count(query, ids=jobs) == len(jobs))
    tries = queries.fetch("SELECT state FROM run WHERE job_id = ANY(:ids)", ids=jobs)
    assert {row["state"] for row in tries} <= {"succeeded", "returned"}


def test_locked_row_delays_no_other_job(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """The relay, the sweeper and each claiming slot used to wait for it for up to a minute."""
    healthy = service.create_job("drill_work_job", params={"seconds": 1.0})
    wait_until(queries.current_runs)
    dead = service.create_job("drill_poison_kill_job")
    wait_until(lambda: any(run["token"] for run in queries.runs_of(dead.id)))
    waiting = [service.create_job("drill_fan_job", params={"seconds": 0.1, "values": [1, 2]}).id]
    ids = [healthy.id, dead.id, *waiting]

    with rows.locked(cluster.database, "SELECT FROM job WHERE id = ANY(:i) FOR UPDATE", i=ids):
        # Within this time the poison's lease expires and the healthy job ends.
        until = time.monotonic() + 2 * cluster.plan.lease_seconds
        while time.monotonic() < until:
            probe = service.create_job("drill_work_job", params={"seconds": 0.1})
            wait_until(partial(has_ended, queries, probe.id))
            assert queries.state_of(healthy.id) == "running"
            assert queries.count(LONG_WAITS) == 0

    wait_until(lambda: queries.state_of(healthy.id) == "completed")
    assert [run["state"] for run in queries.runs_of(healthy.id)] == ["succeeded"]
    service.cancel_job(dead.id, "the test is over")
    wait_until(lambda: queries.state_of(waiting[0]) == "completed")


def test_locked_table_counts_no_crash(
    cluster: Cluster, queries: Queries, service: JobService
) -> None:
    """The lock is that of a migration, and lasts longer than a lease."""
    long = service.create_job("drill_work_job", params={"seconds": cluster.plan.lease_seconds})
    wait_until(queries.current_runs)
    jobs = [service.create_job("drill_work_job", params={"seconds": 0.2}).id for _ in range(6)]

    with rows.locked(cluster.database, "LOCK TABLE run IN EXCLUSIVE MODE"):
        time.sleep(2.5 * cluster.plan.lease_seconds)

    jobs.append(long.id)
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids) AND state = 'completed'"
    wait_until(lambda: queries.count(query, ids=jobs) == len(jobs))
    tries = queries.fetch("SELECT state FROM run WHERE job_id = ANY(:ids)", ids=jobs)
    assert {row["state"] for row in tries} <= {"succeeded", "returned"}
