"""The engine with a hundred thousand queued jobs of five hundred owners."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from bench.instance import Instance, running_instance
from bench.report import BenchRow
from cinemill.core.documents import JsonObject
from cinemill.core.job import JobState
from cinemill.jobs.catalog import Rate, StepKind
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.jobs.service import JobService
from cinemill.local.embedded_servers import embedded_servers
from cinemill.local.servers.postgres import SUPERUSER, SUPERUSER_PASSWORD
from cinemill.storage.database import Database, migrate
from cinemill.storage.jobs import claims, job_queries, runs
from cinemill.storage.jobs.dispatch import ReadyRun

QUEUED_JOBS = 100_000
OWNERS = 500
TURNS = 200
TURN_JOBS = 4
"""Jobs that end between two turns, and so make room for as many."""
WAL_JOBS = 300
WINDOW = 8
BATCH_SECONDS = 0.05
INTERACTIVE_JOBS = 100
KIB = 1024
RATED = StepKind("bench_rated", "default", rate=Rate(1, 3600))

_INSERT = """
WITH accepted AS (
    INSERT INTO job (id, kind, owner, priority, params, request_digest, message, announced)
    SELECT make_id(), 'bench_rest', 'owner-' || number % :owners, 5,
           jsonb_build_object('seconds', CAST(:seconds AS float8)), '', 'Waiting in the queue', true
    FROM generate_series(1, :count) AS number RETURNING id, owner
), planned AS (
    INSERT INTO step (id, job_id, position, name, kind, queue, state, max_failures, max_crashes)
    SELECT make_id(), id, 0, 'only', 'bench_rest', 'default', 'queued', 3, 3
    FROM accepted RETURNING id, job_id
)
INSERT INTO run (id, step_id, job_id, owner, kind, queue, priority, attempt)
SELECT make_id(), planned.id, accepted.id, accepted.owner, 'bench_rest', 'default', 5,
       1
FROM planned JOIN accepted ON accepted.id = planned.job_id
"""


def measure() -> list[BenchRow]:
    """Measure turns of the relay by themselves, then an instance that works on such a queue."""
    rows = measure_turns()
    with running_instance() as instance:
        fill_queue(instance.database)
        service = _service(instance.database)
        _wait_for_completed(service, 20)
        return [*rows, *measure_work(instance, service), measure_interactive(instance, service)]


def measure_turns() -> list[BenchRow]:
    """Measure turns with room for some jobs, without room, and while a kind's rate is used up.

    Processor time of the relay and of its connection's server process: other work on the machine
    does not lengthen it.
    """
    with idle_engine() as (database, dispatcher, sent):
        fill_queue(database)
        backend = _backend(database)
        _turn(backend, dispatcher)
        busy = []
        for _ in range(TURNS):
            _work_on(database, sent)
            busy.append(_turn(backend, dispatcher))
        full = [_turn(backend, dispatcher) for _ in range(TURNS)]
        use_up_rate(database)
        rated = []
        for _ in range(TURNS):
            _work_on(database, sent)
            rated.append(_turn(backend, dispatcher))
    queue = f"{QUEUED_JOBS:,} queued jobs of {OWNERS} owners"
    return [
        _describe_turns(f"a turn of the relay, {queue}", busy, f"{TURN_JOBS} jobs published"),
        _describe_turns("a turn that finds no room, the same", full, "nothing published"),
        _describe_turns(
            "a turn while the rate of every other job is used up, the same",
            rated,
            f"{TURN_JOBS} jobs published",
        ),
    ]


def _describe_turns(name: str, turns: list[tuple[float, float]], what: str) -> BenchRow:
    cpu, wall = (statistics.median(turn[part] for turn in turns) * 1000 for part in (0, 1))
    how = f"CPU of relay and server, median of {len(turns)}, {what} in each; {wall:.1f} ms waited"
    return BenchRow(name, cpu, 10, "ms", how)


def measure_work(instance: Instance, service: JobService) -> list[BenchRow]:
    """Measure what PostgreSQL logs, and the relay computes, for each job that ends."""
    beat = psutil.Process(instance.beat.pid)
    _checkpoint(instance)
    first, began = _count_completed(service), time.perf_counter()
    wal, cpu = _wal_bytes(instance.database), sum(beat.cpu_times()[:2])
    _wait_for_completed(service, first + WAL_JOBS)
    done, seconds = _count_completed(service) - first, time.perf_counter() - began
    wal, cpu = _wal_bytes(instance.database) - wal, sum(beat.cpu_times()[:2]) - cpu
    how = f"{done} jobs of {BATCH_SECONDS:g} s by 2 workers, {done / seconds:.0f} a second"
    return [
        BenchRow("WAL a job", wal / done / KIB, 20, "KiB", f"{how}, right after a checkpoint"),
        BenchRow("the relay's share of a core", 100 * cpu / seconds, 10, "%", how),
    ]


def measure_interactive(instance: Instance, service: JobService) -> BenchRow:
    """Measure from submit to start of urgent jobs behind all of them."""
    waits = []
    for _ in range(INTERACTIVE_JOBS):
        job = service.create_job("bench_rest", owner="person", params={"seconds": 0}, priority=9)
        while (job := service.get_job(job.id)).started_at is None:
            time.sleep(0.005)
        waits.append((job.started_at - job.queued_at).total_seconds())
    waits.sort()
    return BenchRow(
        f"interactive job behind {QUEUED_JOBS:,} of {OWNERS} owners, p99 to start",
        waits[int(0.99 * (len(waits) - 1))],
        0.2,
        "s",
        f"of {INTERACTIVE_JOBS}, 2 workers on {BATCH_SECONDS:g} s jobs;"
        f" median {1000 * statistics.median(waits):.0f} ms",
    )


def fill_queue(database: Database) -> None:
    """Insert the queued jobs, each owner's spread over the whole time."""
    values = {"owners": OWNERS, "seconds": BATCH_SECONDS, "count": QUEUED_JOBS // 20}
    for _ in range(20):
        with database.begin() as connection:
            connection.execute(text(_INSERT), values)
    with database.once() as connection:
        connection.execute(text("VACUUM ANALYZE job, step, run"))


def use_up_rate(database: Database) -> None:
    """Make every other queued run one of a kind of which one may start in an hour."""
    statement = "UPDATE run SET kind = :kind WHERE published_at IS NULL AND turn % 2 = 0"
    with database.begin() as connection:
        connection.execute(text(statement), {"kind": RATED.name})
    with database.once() as connection:
        connection.execute(text("VACUUM ANALYZE run"))


@contextmanager
def idle_engine() -> Iterator[tuple[Database, Dispatcher, list[ReadyRun]]]:
    """Start servers without workers; yield a relay's dispatcher, and the list of what it sends."""
    from bench.application import catalog

    with (
        tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder,
        embedded_servers(Path(folder)) as servers,
    ):
        migrate(servers.database_url)
        database = Database(servers.database_url)
        sent: list[ReadyRun] = []
        events = EventPublisher(servers.redis_url, catalog=catalog)
        dispatcher = Dispatcher(
            database,
            events,
            RateLimiter(servers.redis_url),
            catalog=catalog.extend([RATED]),
            window=WINDOW,
            send=sent.append,
            measure_depth=lambda _queue: len(sent),
        )
        try:
            yield database, dispatcher, sent
        finally:
            events.close()
            database.close()


def _turn(backend: Path, dispatcher: Dispatcher) -> tuple[float, float]:
    """Return seconds of processor time and of waiting."""
    cpu, began = time.process_time() + _spent_seconds(backend), time.perf_counter()
    dispatcher.publish_ready()
    waited = time.perf_counter() - began
    return time.process_time() + _spent_seconds(backend) - cpu, waited


def _backend(database: Database) -> Path:
    """Return the file of the scheduler's figures about the one connection's server process."""
    with database.once() as connection:
        return Path(
            f"/proc/{connection.execute(text('SELECT pg_backend_pid()')).scalar_one()}/schedstat"
        )


def _spent_seconds(schedstat: Path) -> float:
    return int(schedstat.read_text().split()[0]) / 1e9


def _work_on(database: Database, sent: list[ReadyRun]) -> None:
    """Claim and end a few of the published runs, as workers do."""
    for ready in sent[:TURN_JOBS]:
        sent.remove(ready)
        with database.begin() as connection:
            run = claims.claim(
                connection, ready.id, token=os.urandom(16).hex(), worker="bench", lease_seconds=60
            )
        assert run is not None
        with database.begin() as connection:
            job = job_queries.lock_job(connection, run.job_id)
            result: JsonObject = {}
            runs.commit_success(connection, run, job, result)


def _service(database: Database) -> JobService:
    from bench.application import catalog

    return JobService(database, catalog=catalog)


def _count_completed(service: JobService) -> int:
    return int(service.get_queue_stats()["by_status"].get(JobState.COMPLETED, 0))


def _wait_for_completed(service: JobService, count: int) -> None:
    end = time.monotonic() + 300
    while _count_completed(service) < count:
        if time.monotonic() > end:
            raise RuntimeError("the workers do not get on with the queue")
        time.sleep(0.5)


def _wal_bytes(database: Database) -> int:
    with database.begin() as connection:
        query = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return int(connection.execute(query).scalar_one())


def _checkpoint(instance: Instance) -> None:
    """Have every page that is changed from now on logged as a whole the first time."""
    [file] = instance.home.rglob(SUPERUSER_PASSWORD)
    address = make_conninfo(
        instance.database.url.replace("postgresql+psycopg", "postgresql", 1),
        user=SUPERUSER,
        password=file.read_text().strip(),
    )
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
