"""Totals for metrics only grow: by what ends, once, whatever is deleted or counted meanwhile."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text
from tests.integration.storage import analysis_rows, rows
from tests.integration.storage.plans import explain, scans_whole_tables

from cinemill.core.job import Job
from cinemill.storage.database import Database
from cinemill.storage.jobs import job_changes
from cinemill.storage.metrics.database_figures import DatabaseFigureReader
from cinemill.storage.metrics.totals import BOUNDS, Total, count_ended, read_totals


@pytest.fixture(autouse=True)
def nothing_counted(database: Database) -> None:
    rows.change(database, "DELETE FROM metric_total")
    rows.change(database, "UPDATE metric_watermark SET counted_until = now() - interval '1 day'")


def read(database: Database) -> list[Total]:
    with database.begin() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        return read_totals(connection)


def count(database: Database, metric: str = "attempt") -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for total in read(database):
        if total.metric == metric:
            found[total.labels] += total.count
    return found


def finish(database: Database, *, minutes_ago: float = 0) -> Job:
    """Run a job of one step that succeeds, and ended so long ago."""
    job = rows.accept(database)
    rows.succeed(database, rows.start(database, job))
    rows.change(
        database,
        "UPDATE run SET started_at = started_at - make_interval(secs => :s),"
        " ended_at = ended_at - make_interval(secs => :s) WHERE job_id = :id",
        s=minutes_ago * 60,
        id=job.id,
    )
    return job


def delete(database: Database, job: Job) -> None:
    with database.begin() as connection:
        job_changes.delete_job(connection, job.id)


def test_ended_attempts_are_counted_by_kind_and_outcome(database: Database) -> None:
    finish(database)
    job = rows.accept(database)
    rows.fail(database, rows.start(database, job))
    rows.succeed(database, rows.start(database, job))
    rows.start(database, rows.accept(database))
    assert count(database) == {("work", "succeeded"): 2, ("work", "failed"): 1}
    assert count(database, "wait") == {("default",): 3}


def test_bounds_of_the_database_are_those_of_the_code(database: Database) -> None:
    query = text("SELECT metric_bucket(CAST(:value AS numeric))")
    with database.begin() as connection:
        for number, bound in enumerate(BOUNDS):
            below = connection.execute(query, {"value": bound * 0.999}).scalar_one()
            above = connection.execute(query, {"value": bound * 1.001}).scalar_one()
            assert (below, above) == (number, number + 1)


def test_counting_what_ended_changes_no_total(database: Database) -> None:
    finish(database)
    for minutes in (6, 60, 200, 900):
        finish(database, minutes_ago=minutes)
    before = sorted(read(database), key=str)
    for _ in range(2):
        count_ended(database)
        assert sorted(read(database), key=str) == before
    with database.begin() as connection:
        stored = connection.execute(
            text("SELECT sum(count) FROM metric_total WHERE metric = 'attempt'")
        ).scalar_one()
    assert stored == 4


@pytest.mark.parametrize("minutes_ago", [0, 60])
@pytest.mark.parametrize("is_counted", [False, True])
def test_deleting_jobs_changes_no_total(
    database: Database, minutes_ago: float, is_counted: bool
) -> None:
    jobs = [finish(database, minutes_ago=minutes_ago) for _ in range(3)]
    if is_counted:
        count_ended(database)
    for job in jobs:
        delete(database, job)
    assert count(database) == {("work", "succeeded"): 3}
    count_ended(database)
    assert count(database) == {("work", "succeeded"): 3}


def test_analysis_that_is_stored_again_and_deleted_stays_counted(database: Database) -> None:
    job = analysis_rows.begin(database)
    analysis_rows.complete(database, job)
    assert count(database, "analysis") == {("miss",): 1}
    assert count(database, "stage") == {("decode",): 1, ("inference",): 1}
    assert [total.sum for total in read(database) if total.metric == "frames"] == [3]
    rows.change(database, "DELETE FROM asset")
    assert count(database, "analysis") == {("miss",): 1}
    assert count(database, "stage") == {("decode",): 1, ("inference",): 1}


def test_deletions_and_counts_at_the_same_time_count_each_attempt_once(
    database: Database,
) -> None:
    shuffled = random.Random(4)
    jobs = [finish(database, minutes_ago=shuffled.choice([0, 7, 90, 400])) for _ in range(60)]
    seen: list[int] = []

    def look(_: int) -> None:
        count_ended(database)
        seen.append(count(database)["work", "succeeded"])

    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(delete, database, job) for job in jobs]
        looks = [threads.submit(look, number) for number in range(12)]
        for future in (*work, *looks):
            future.result()
    assert set(seen) == {60}
    assert count(database) == {("work", "succeeded"): 60}


@pytest.fixture
def reader(database: Database) -> Iterator[DatabaseFigureReader]:
    reader = DatabaseFigureReader(database.url)
    yield reader
    reader.close()


def test_figures_are_those_of_the_rows(database: Database, reader: DatabaseFigureReader) -> None:
    finish(database)
    waiting = rows.accept(database)
    rows.change(
        database,
        "UPDATE run SET run_at = now() - interval '90 seconds' WHERE job_id = :id",
        id=waiting.id,
    )
    later = rows.accept(database)
    rows.fail(database, rows.start(database, later), delay_seconds=600)
    rows.start(database, rows.accept(database))
    rows.mark_dead(database, rows.start(database, rows.accept(database)))
    figures = reader.read()
    (queue,) = figures.queues
    assert (queue.queue, queue.waiting, queue.delayed, queue.running) == ("default", 1, 1, 1)
    assert 90 <= queue.oldest_seconds < 3600
    active = figures.active_jobs
    assert sum(active.values()) == 3
    assert figures.stored.jobs[("process_video", "completed")] == 1
    assert figures.dead_steps == 1
    assert figures.server.commits > 0
    assert sum(figures.server.connections.values()) >= 1
    assert figures.server.most_connections >= 10
    assert figures.round_trip_seconds > 0


def test_scrape_reads_no_attempt_that_was_counted(database: Database) -> None:
    """The plan takes the indexes by time."""

    def ask(connection: Connection) -> None:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        read_totals(connection)

    plans = explain(database, ask)
    assert not {"run", "analysis_metrics"} & set(scans_whole_tables(plans))
    assert "run_ended_idx" in str(plans)
    assert "analysis_metrics_measured_at_idx" in str(plans)
