"""One clock for a job: its percentage, which never falls, and what its steps have taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.storage import rows
from tests.integration.storage.rows import CHAIN, FAN_IN, make_step

from cinemill.core.job import ClaimedRun, Job, JobState, RunState
from cinemill.errors import Postponed
from cinemill.storage.database import Database
from cinemill.storage.jobs import dynamic_steps, recovery, runs
from cinemill.storage.jobs.job_clock import pace, readings
from cinemill.storage.jobs.job_clock.readings import MOST_RUNNING, ClockReading


def note(
    database: Database,
    run: ClaimedRun,
    fraction: float,
    *,
    seconds: float = 0.0,
    seconds_left: float | None = None,
) -> ClockReading:
    with database.once() as connection:
        reading = readings.note_progress(
            connection,
            run,
            fraction=fraction,
            message="Working",
            seconds=seconds,
            seconds_left=seconds_left,
        )
    assert isinstance(reading, ClockReading)
    return reading


def progress(database: Database, job: Job) -> float:
    return rows.get_job(database, job).progress


def hand_back(database: Database, run: ClaimedRun, code: str) -> None:
    failure = replace(rows.FAILURE, code=code)
    with database.begin() as connection:
        runs.retry_later(connection, run, RunState.RETURNED, failure, delay_seconds=0)


def test_each_run_reads_what_all_the_others_have_done(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    claimed = {name: rows.start(database, job, name) for name in "abc"}
    note(database, claimed["a"], 0.5)
    note(database, claimed["b"], 0.5)
    reading = note(database, claimed["c"], 0.2)
    assert reading.progress == pytest.approx(100 * 1.2 / 4)
    assert reading.at(0.6) == pytest.approx(100 * 1.6 / 4)


def test_lost_work_is_done_again_without_a_step_back(database: Database) -> None:
    job = rows.accept(database, CHAIN)
    run = rows.start(database, job, "first")
    note(database, run, 0.8)
    assert progress(database, job) == pytest.approx(40)
    rows.fail(database, run)
    again = rows.start(database, job, "first")
    assert again.progress_base == pytest.approx(40)
    # What is left of the percentage is spread over what is left of the work: both steps.
    assert note(database, again, 0.5).progress == pytest.approx(40 + 60 * 0.25)
    rows.succeed(database, again)
    assert rows.start(database, job, "second").progress_base == pytest.approx(70)


def test_crashed_work_is_done_again_without_a_step_back(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    note(database, run, 0.5)
    rows.let_lease_run_out(database, run)
    rows.crash(database, run)
    again = rows.start(database, job)
    assert again.progress_base == pytest.approx(50)
    assert note(database, again, 0.5).progress == pytest.approx(75)


def test_retry_by_a_person_keeps_the_percentage(database: Database) -> None:
    job = rows.accept(database, CHAIN)
    rows.succeed(database, rows.start(database, job, "first"))
    run = rows.start(database, job, "second")
    note(database, run, 0.5)
    rows.mark_dead(database, run)
    with database.begin() as connection:
        retried = recovery.retry(connection, job.id)
    assert retried.state is JobState.PENDING
    assert retried.progress == pytest.approx(75)
    again = rows.start(database, job, "second")
    assert note(database, again, 0.5).progress == pytest.approx(87.5)


def test_planned_steps_take_what_is_left_of_the_percentage(database: Database) -> None:
    steps = (make_step("probe", weight=10), make_step("encode", "probe", weight=90))
    job = rows.accept(database, steps)
    rows.succeed(database, rows.start(database, job, "probe"))
    run = rows.start(database, job, "encode")
    note(database, run, 0.1)
    before = progress(database, job)
    with database.begin() as connection:
        locked = runs.lock_job_of_claim(connection, run)
        chunks = [make_step(f"chunk-{number}", weight=20) for number in range(50)]
        dynamic_steps.add_steps(connection, run, chunks)
        runs.commit_success(connection, run, locked, {})
    shown = [progress(database, job)]
    assert shown[0] >= before
    for number in range(50):
        rows.succeed(database, rows.start(database, job, f"chunk-{number}"))
        shown.append(progress(database, job))
    assert shown == sorted(shown)
    # Each chunk moves it by as much as the one before: none of them is lost in the beginning.
    assert shown[26] - shown[1] == pytest.approx(25 * (100 - before) / 50, abs=1)


def test_work_that_only_waited_goes_on_from_where_it_was(database: Database) -> None:
    job = rows.accept(database)
    for fraction in (0.2, 0.4, 0.4, 0.6):
        run = rows.start(database, job)
        assert note(database, run, fraction).progress == pytest.approx(100 * fraction)
        hand_back(database, run, Postponed.code)
    assert rows.start(database, job).fraction_kept == pytest.approx(0.6)


def test_work_that_a_stopping_worker_handed_back_begins_anew(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    note(database, run, 0.4)
    hand_back(database, run, "worker_stopping")
    again = rows.start(database, job)
    assert again.fraction_kept == 0
    assert again.progress_base == pytest.approx(40)


def test_job_that_is_not_complete_has_its_last_percent_before_it(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    assert note(database, run, 1.0).progress == MOST_RUNNING
    rows.succeed(database, run)
    assert progress(database, job) == 100


def test_attempt_that_was_closed_notes_nothing(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    rows.let_lease_run_out(database, run)
    rows.crash(database, run)
    with database.once() as connection:
        assert readings.note_progress(connection, run, fraction=0.9, message="Late") is None
    assert progress(database, job) == 0


def test_time_left_is_stated_for_all_readers_of_the_job(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    note(database, rows.start(database, job, "a"), 0.5, seconds_left=100.0)
    with database.once() as connection:
        left = readings.read_stated_time(connection, job.id).seconds_left
    assert left is not None
    assert 90 < left <= 100
    assert rows.get_job(database, job).seconds_left == pytest.approx(left, abs=5)
    run = rows.start(database, job, "b")
    assert run.seconds_left is not None
    assert 90 < run.seconds_left <= 100
    rows.fail(database, run)
    assert rows.get_job(database, job).seconds_left is None


def test_steps_are_listed_with_their_pace(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    rows.succeed(database, replace(rows.start(database, job, "a"), seconds=12.5))
    note(database, rows.start(database, job, "b"), 0.25, seconds=3.5)
    with database.once() as connection:
        a, b, c, join = pace.list_work(connection, job.id)
    assert (a.is_done, b.is_running, c.is_running) == (True, True, False)
    assert (a.fraction, b.fraction) == (1, 0.25)
    assert [step.seconds for step in (a, b, c, join)] == [12.5, 3.5, 0, 0]
    assert set(join.after) == {a.id, b.id, c.id}


def test_seconds_of_lost_work_are_lost_and_those_of_waiting_kept(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    note(database, run, 0.5, seconds=20.0)
    rows.fail(database, run)
    run = rows.start(database, job)
    assert run.seconds_kept == 0
    note(database, run, 0.5, seconds=20.0)
    waiting = replace(rows.FAILURE, code=Postponed.code)
    with database.begin() as connection:
        runs.retry_later(connection, run, RunState.RETURNED, waiting, delay_seconds=5)
    rows.change(database, "UPDATE run SET delay_ends = NULL WHERE job_id = :id", id=job.id)
    assert rows.start(database, job).seconds_kept == 25


def test_similar_jobs_are_those_that_completed_of_the_same_kind(database: Database) -> None:
    for kind, seconds in (("process_video", 20.0), ("process_video", 30.0), ("transcode", 500.0)):
        job = rows.accept(database, (make_step(kind="encode"),), kind=kind)
        rows.succeed(database, replace(rows.start(database, job), seconds=seconds))
    failed = rows.accept(database, (make_step(kind="encode"),))
    rows.mark_dead(database, rows.start(database, failed))
    of_before = rows.accept(database, (make_step(kind="encode"),))  # nobody measured it
    rows.succeed(database, rows.start(database, of_before))
    with database.once() as connection:
        assert pace.measure_similar(connection, "process_video") == {"encode": pytest.approx(25)}
        assert pace.measure_similar(connection, "render_video") == {}
