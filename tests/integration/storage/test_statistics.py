"""Counts, times, places in the queue and jobs that take too long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.storage import rows
from tests.integration.storage.rows import make_step

from cinemill.core.job import Job
from cinemill.storage.database import Database
from cinemill.storage.jobs import statistics


def complete(database: Database, seconds: float, kind: str = "process_video") -> None:
    job = rows.accept(database, kind=kind)
    rows.succeed(database, rows.start(database, job))
    rows.change(
        database,
        "UPDATE job SET started_at = finished_at - make_interval(secs => :s) WHERE id = :id",
        s=seconds,
        id=job.id,
    )


def place_of(database: Database, job: Job) -> int | None:
    with database.begin() as connection:
        return statistics.place_in_queue(connection, job.id)


def test_jobs_are_counted_by_status_type_and_queue(database: Database) -> None:
    complete(database, 1)
    rows.accept(database, [make_step(queue="proxy")], kind="render_video")
    rows.accept(database, [make_step("a", queue="proxy"), make_step("b", "a", queue="proxy")])
    with database.begin() as connection:
        counts = statistics.count_jobs(connection)
    assert counts == {
        "by_status": {"completed": 1, "pending": 2},
        "by_type": {"process_video": 2, "render_video": 1},
        "by_queue": {"proxy": 2},
        "total": 3,
    }


def test_without_jobs_all_counts_are_empty(database: Database) -> None:
    with database.begin() as connection:
        counts = statistics.count_jobs(connection)
        assert statistics.measure_durations(connection) == {}
    assert counts == {"by_status": {}, "by_type": {}, "by_queue": {}, "total": 0}


def end_job(database: Database, state: str, code: str | None = None, days_ago: int = 0) -> None:
    job = rows.accept(database, kind="render_video")
    rows.change(
        database,
        "UPDATE job SET state = :state, finished_at = now() - make_interval(days => :days),"
        " failure = CASE WHEN :code <> '' THEN jsonb_build_object('code', CAST(:code AS text)) END"
        " WHERE id = :id",
        state=state,
        code=code or "",
        days=days_ago,
        id=job.id,
    )


def test_outcomes_of_recent_jobs_are_counted_with_codes_of_failures(database: Database) -> None:
    for code in ("disk_full", "memory_limit", "disk_full"):
        end_job(database, "failed", code)
    end_job(database, "failed", "timed_out", days_ago=8)
    end_job(database, "completed")
    end_job(database, "cancelled")
    rows.accept(database, kind="render_video")
    complete(database, 1)
    with database.begin() as connection:
        outcomes = statistics.count_outcomes(connection)
    assert outcomes["render_video"] == {
        "completed": 1,
        "failed": 3,
        "cancelled": 1,
        "completion_rate": 0.25,
        "failures": {"disk_full": 2, "memory_limit": 1},
    }
    assert list(outcomes["render_video"]["failures"]) == ["disk_full", "memory_limit"]
    assert outcomes["process_video"]["completion_rate"] == 1


def test_without_ended_jobs_there_is_no_completion_rate(database: Database) -> None:
    with database.begin() as connection:
        assert statistics.count_outcomes(connection) == {}
    end_job(database, "cancelled")
    with database.begin() as connection:
        assert statistics.count_outcomes(connection)["render_video"]["completion_rate"] is None


def test_machines_that_work_or_have_worked_of_late_are_counted(database: Database) -> None:
    working, done, past = (rows.accept(database) for _ in range(3))
    rows.start(database, working)
    for job in (done, past):
        rows.succeed(database, rows.start(database, job))
    for job, worker in ((working, "one:1"), (done, "two:1"), (past, "three:1")):
        rows.change(database, "UPDATE run SET worker = :w WHERE job_id = :id", w=worker, id=job.id)
    rows.change(
        database,
        "UPDATE run SET ended_at = now() - interval '1 hour' WHERE job_id = :id",
        id=past.id,
    )
    with database.begin() as connection:
        assert statistics.count_machines(connection) == 2


def test_memory_of_recent_days_is_reported_by_kind_of_step(database: Database) -> None:
    for peak_bytes in (10, 20, 90):
        job = rows.accept(database, [make_step(kind="encode")])
        rows.succeed(database, replace(rows.start(database, job), peak_memory_bytes=peak_bytes))
    rows.succeed(database, rows.start(database, rows.accept(database)))
    old = rows.accept(database, [make_step(kind="encode")])
    rows.succeed(database, replace(rows.start(database, old), peak_memory_bytes=10_000))
    rows.change(
        database,
        "UPDATE run SET ended_at = now() - interval '9 days' WHERE job_id = :id",
        id=old.id,
    )
    with database.begin() as connection:
        memory = statistics.measure_memory(connection)
    assert memory == {"encode": {"count": 3, "p50_bytes": 20, "max_bytes": 90}}


def test_durations_are_averaged_and_ranked_by_type(database: Database) -> None:
    for seconds in (10, 20, 30, 40, 50):
        complete(database, seconds)
    complete(database, 7, kind="render_video")
    rows.accept(database)
    with database.begin() as connection:
        times = statistics.measure_durations(connection)
    assert times["process_video"] == pytest.approx(
        {
            "count": 5,
            "average_seconds": 30,
            "p50_seconds": 30,
            "p90_seconds": 46,
            "p99_seconds": 49.6,
        }
    )
    assert times["render_video"]["count"] == 1


def test_stuck_jobs_are_listed_oldest_first(database: Database) -> None:
    young, waiting, working, done = (rows.accept(database) for _ in range(4))
    rows.start(database, working)
    rows.succeed(database, rows.start(database, done))
    for job, hours in ((waiting, 3), (working, 5), (done, 9), (young, 1)):
        rows.change(
            database,
            "UPDATE job SET queued_at = now() - make_interval(hours => :h) WHERE id = :id",
            h=hours,
            id=job.id,
        )
    with database.begin() as connection:
        stuck = [job.id for job in statistics.list_stuck(connection, hours=2)]
    assert stuck == [working.id, waiting.id]


def test_first_job_in_the_queue_has_none_ahead(database: Database) -> None:
    first, second, third = (rows.accept(database) for _ in range(3))
    assert [place_of(database, job) for job in (first, second, third)] == [0, 1, 2]


def test_urgent_jobs_are_ahead_of_earlier_ones(database: Database) -> None:
    ordinary = rows.accept(database, priority=5)
    urgent = rows.accept(database, priority=9)
    assert place_of(database, urgent) == 0
    assert place_of(database, ordinary) == 1


def test_queue_place_ignores_other_queues(database: Database) -> None:
    rows.accept(database, [make_step(queue="render")])
    job = rows.accept(database, [make_step(queue="proxy")])
    assert place_of(database, job) == 0


def test_running_or_ended_job_has_no_queue_place(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    assert place_of(database, job) is None
    rows.succeed(database, run)
    assert place_of(database, job) is None
