"""Steps after steps: a parent's fenced commit unblocks its children, once; failure stops them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.storage import rows
from tests.integration.storage.rows import CHAIN, FAN_IN, make_step

from cinemill.core.job import JobState, StepState
from cinemill.storage.database import Database
from cinemill.storage.jobs import recovery
from cinemill.storage.jobs.job_clock.readings import note_progress


def test_only_steps_that_come_after_nothing_are_queued_at_first(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    assert set(rows.queued_runs(database, job.id)) == {"a", "b", "c"}


def test_child_is_given_what_its_parents_found(database: Database) -> None:
    job = rows.accept(database, CHAIN)
    rows.succeed(database, rows.start(database, job, "first"), {"width": 320})
    assert rows.start(database, job, "second").inputs == {"first": {"width": 320}}


def test_child_waits_for_the_last_of_its_parents(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    for name in ("a", "b"):
        rows.succeed(database, rows.start(database, job, name))
        assert "join" not in rows.queued_runs(database, job.id)
    rows.succeed(database, rows.start(database, job, "c"))
    assert set(rows.queued_runs(database, job.id)) == {"join"}


def test_job_is_completed_by_its_last_step_and_has_its_result(database: Database) -> None:
    job = rows.accept(database, CHAIN)
    rows.succeed(database, rows.start(database, job, "first"), {"not": "this"})
    assert rows.get_job(database, job).state is JobState.RUNNING
    rows.succeed(database, rows.start(database, job, "second"), {"but": "this"})
    ended = rows.get_job(database, job)
    assert (ended.state, ended.progress, ended.result) == (
        JobState.COMPLETED,
        100.0,
        {"but": "this"},
    )
    assert ended.duration_seconds is not None


def test_siblings_that_end_together_unblock_their_child_once(database: Database) -> None:
    for _ in range(10):
        job = rows.accept(database, FAN_IN)
        claimed = [rows.start(database, job, name) for name in ("a", "b", "c")]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda run: rows.succeed(database, run), claimed))
        assert set(rows.queued_runs(database, job.id)) == {"join"}
        assert len(rows.run_states(database, job)) == 4
        rows.succeed(database, rows.start(database, job, "join"))
        assert rows.get_job(database, job).state is JobState.COMPLETED


def test_wide_fan_joins_every_part_once(database: Database) -> None:
    names = [f"chunk-{n:02}" for n in range(30)]
    job = rows.accept(database, [*map(make_step, names), make_step("join", *names)])
    claimed = [rows.start(database, job, name) for name in names]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda run: rows.succeed(database, run, {"part": run.step_name}), claimed))
    joined = rows.start(database, job, "join")
    assert {name: found["part"] for name, found in joined.inputs.items()} == dict(
        zip(names, names, strict=True)
    )


def test_dead_step_fails_the_job_and_withdraws_its_siblings(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    rows.mark_dead(database, rows.start(database, job, "a"))
    failed = rows.get_job(database, job)
    assert (failed.state, failed.failure) == (JobState.FAILED, rows.FAILURE)
    assert rows.queued_runs(database, job.id) == {}
    assert rows.get_steps(database, job)["a"].state is StepState.DEAD


def test_sibling_that_still_worked_when_the_job_failed_queues_nothing_more(
    database: Database,
) -> None:
    job = rows.accept(database, FAN_IN)
    working = rows.start(database, job, "a")
    rows.mark_dead(database, rows.start(database, job, "b"))
    rows.succeed(database, working)
    assert rows.queued_runs(database, job.id) == {}
    assert rows.get_job(database, job).state is JobState.FAILED


def test_running_work_of_a_failed_job_is_stopped(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    working = rows.start(database, job, "a")
    rows.mark_dead(database, rows.start(database, job, "b"))
    with database.begin() as connection:
        reason = note_progress(connection, working, fraction=0.5, message="Working")
    assert reason == "another step of the job failed"


def test_retry_does_again_what_did_not_succeed_and_nothing_else(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    rows.succeed(database, rows.start(database, job, "a"), {"kept": True})
    rows.mark_dead(database, rows.start(database, job, "b"))
    with database.begin() as connection:
        assert recovery.retry(connection, job.id).state is JobState.PENDING
    assert set(rows.queued_runs(database, job.id)) == {"b", "c"}
    assert rows.get_steps(database, job)["a"].result == {"kept": True}


def test_retry_gives_every_unfinished_step_fresh_tries(database: Database) -> None:
    """Also one that had failed before and was waiting for its next try when the job failed."""
    job = rows.accept(database, FAN_IN)
    rows.fail(database, rows.start(database, job, "a"))
    rows.mark_dead(database, rows.start(database, job, "b"))
    with database.begin() as connection:
        recovery.retry(connection, job.id)
    steps = rows.get_steps(database, job)
    assert {steps[name].failures for name in "abc"} == {0}


def test_retry_while_a_sibling_still_works_leaves_that_alone(database: Database) -> None:
    job = rows.accept(database, FAN_IN)
    working = rows.start(database, job, "a")
    rows.mark_dead(database, rows.start(database, job, "b"))
    with database.begin() as connection:
        recovery.retry(connection, job.id)
    assert set(rows.queued_runs(database, job.id)) == {"b", "c"}
    rows.succeed(database, working)
    for name in ("b", "c", "join"):
        rows.succeed(database, rows.start(database, job, name))
    assert rows.get_job(database, job).state is JobState.COMPLETED


def test_retry_finds_a_step_whose_last_try_ended_after_the_job_had_failed(
    database: Database,
) -> None:
    job = rows.accept(database, FAN_IN)
    working = {name: rows.start(database, job, name) for name in "abc"}
    rows.mark_dead(database, working["a"])
    rows.fail(database, working["b"])
    with database.begin() as connection:
        recovery.retry(connection, job.id)
    assert set(rows.queued_runs(database, job.id)) == {"a", "b"}


def test_progress_counts_each_step_by_its_weight(database: Database) -> None:
    job = rows.accept(
        database, [make_step("probe", weight=10), make_step("encode", "probe", weight=90)]
    )
    rows.succeed(database, rows.start(database, job, "probe"))
    run = rows.start(database, job, "encode")
    assert run.progress_base == pytest.approx(10)
    assert run.progress_share == pytest.approx(90)


def test_progress_never_goes_back(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    for fraction in (0.4, 0.2):
        with database.begin() as connection:
            note_progress(connection, run, fraction=fraction, message="Working")
    assert rows.get_job(database, job).progress == 40
