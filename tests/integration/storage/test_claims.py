"""Claim, lease and fence: one worker at a time, and only until somebody closes its run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.storage import rows
from tests.integration.storage.rows import FAILURE, make_step

from cinemill.core.job import ClaimedRun, JobState, RunState, StepState
from cinemill.errors import LeaseLost
from cinemill.jobs.dispatch import CRASH
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import claims, dispatch, job_changes, recovery, runs

End = Callable[[Connection, ClaimedRun], object]

ENDS: dict[str, End] = {
    "success": lambda c, run: runs.commit_success(c, run, runs.lock_job_of_claim(c, run), {}),
    "failure": lambda c, run: runs.retry_later(c, run, RunState.FAILED, FAILURE, delay_seconds=0),
    "rejection": lambda c, run: runs.mark_dead(c, run, RunState.REJECTED, FAILURE),
    "return": lambda c, run: runs.retry_later(c, run, RunState.RETURNED, FAILURE, delay_seconds=0),
    "cancel": runs.confirm_cancel,
}


def test_claim_tells_the_worker_all_it_needs(database: Database) -> None:
    job = rows.accept(database, params={"path": "film.mp4"}, owner="bob")
    run = rows.start(database, job)
    assert (run.job_id, run.job_kind, run.owner) == (job.id, "process_video", "bob")
    assert (run.step_name, run.step_kind, run.attempt) == ("work", "work", 1)
    assert run.job_params == {"path": "film.mp4"}
    assert run.inputs == {}


def test_claim_starts_the_job_and_notes_the_worker(database: Database) -> None:
    job = rows.accept(database)
    rows.start(database, job)
    started = rows.get_job(database, job)
    assert (started.state, started.worker, started.stage) == (JobState.RUNNING, "host:1", "work")
    assert started.started_at is not None
    assert rows.get_steps(database, job)["work"].state is StepState.RUNNING


def test_what_is_claimed_is_taken(database: Database) -> None:
    run = rows.start(database, rows.accept(database))
    assert rows.claim(database, run.id) is None


def test_claim_whose_answer_was_lost_is_made_again_by_its_token(database: Database) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    first = rows.claim(database, run_id, token="mine")
    again = rows.claim(database, run_id, token="mine")
    assert first is not None
    assert again is not None
    assert again == first
    assert rows.claim(database, run_id, token="another's") is None
    rows.succeed(database, first)
    assert rows.claim(database, run_id, token="mine") is None


def test_run_that_nobody_knows_is_not_claimed(database: Database) -> None:
    assert rows.claim(database, "no such run") is None


def test_run_is_not_claimed_before_its_time(database: Database) -> None:
    job = rows.accept(database)
    rows.fail(database, rows.start(database, job), delay_seconds=60)
    assert rows.claim(database, rows.queued_runs(database, job.id)["work"]) is None


def test_run_of_a_cancelled_job_is_not_claimed(database: Database) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    with database.begin() as connection:
        recovery.request_cancel(connection, job.id, "")
    assert rows.claim(database, run_id) is None


def test_of_twenty_that_claim_at_once_one_has_it(database: Database) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda _: rows.claim(database, run_id), range(20)))
    assert sum(claim is not None for claim in claims) == 1
    assert rows.get_steps(database, job)["work"].attempts == 1


def test_twenty_workers_take_twenty_runs_of_one_job_once_each(database: Database) -> None:
    steps = [make_step(f"chunk-{n}") for n in range(20)]
    job = rows.accept(database, steps)
    queued = list(rows.queued_runs(database, job.id).values())
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda run_id: rows.claim(database, run_id), queued * 2))
    taken = [claim.id for claim in claims if claim is not None]
    assert sorted(taken) == sorted(queued)


@pytest.mark.parametrize("end", ENDS)
def test_run_is_its_workers_until_somebody_closes_it(database: Database, end: str) -> None:
    """Also when its lease is over: PostgreSQL may have been away for longer than that."""
    run = rows.start(database, rows.accept(database))
    rows.let_lease_run_out(database, run)
    with database.begin() as connection:
        ENDS[end](connection, run)
    assert rows.find_lease(database, run) is None


@pytest.mark.parametrize("end", ENDS)
def test_run_that_was_closed_as_crashed_ends_nothing(database: Database, end: str) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    rows.crash(database, run)
    with pytest.raises(LeaseLost), database.begin() as connection:
        ENDS[end](connection, run)
    assert rows.run_states(database, job) == ["crashed", "queued"]
    assert rows.get_steps(database, job)["work"].failures == 0


@pytest.mark.parametrize("end", ENDS)
def test_token_of_an_earlier_claim_ends_nothing(database: Database, end: str) -> None:
    job = rows.accept(database)
    late = rows.start(database, job)
    rows.crash(database, late)
    rows.start(database, job)
    with pytest.raises(LeaseLost), database.begin() as connection:
        ENDS[end](connection, late)
    assert rows.run_states(database, job) == ["crashed", "running"]


@pytest.mark.parametrize("end", ENDS)
def test_run_ends_once(database: Database, end: str) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    with database.begin() as connection:
        ENDS[end](connection, run)
    for again in ENDS.values():
        with pytest.raises(LeaseLost), database.begin() as connection:
            again(connection, run)


@pytest.mark.parametrize("end", ENDS)
def test_work_on_a_job_that_was_deleted_has_lost_its_lease(database: Database, end: str) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    with database.begin() as connection:
        job_changes.delete_job(connection, job.id)
        assert not claims.renew_lease(connection, run, lease_seconds=60)
    with pytest.raises(LeaseLost), database.begin() as connection:
        ENDS[end](connection, run)


def test_tries_of_a_step_that_was_deleted_are_nobodys(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    with database.begin() as connection:
        job_changes.delete_job(connection, job.id)
    with pytest.raises(LeaseLost), database.begin() as connection:
        runs.get_step_attempts(connection, run.step_id)


def test_effects_appear_with_the_commit_or_not_at_all(database: Database) -> None:
    """What a handler writes goes into the fenced transaction."""
    job = rows.accept(database)
    run = rows.start(database, job)
    rows.crash(database, run)
    with pytest.raises(LeaseLost), database.begin() as connection:
        job_changes.assign_asset(connection, job.id, make_asset(connection))
        runs.commit_success(connection, run, runs.lock_job_of_claim(connection, run), {})
    assert rows.get_job(database, job).asset_id is None


def make_asset(connection: Connection) -> str:
    from cinemill.storage.media.assets import register_asset

    asset, _ = register_asset(connection, owner="ann", sha256="0", size_bytes=1, filename="f.mp4")
    return asset.id


def test_beat_keeps_a_lease_alive_and_revives_it_until_the_run_is_closed(
    database: Database,
) -> None:
    run = rows.start(database, rows.accept(database))
    for _ in range(2):
        with database.begin() as connection:
            assert claims.renew_lease(connection, run, lease_seconds=60)
        lease = rows.find_lease(database, run)
        assert lease is not None
        assert not lease.is_over
        rows.let_lease_run_out(database, run)
    rows.crash(database, run)
    with database.begin() as connection:
        assert not claims.renew_lease(connection, run, lease_seconds=60)


def test_commit_whose_answer_was_lost_is_recognised_by_its_token(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    assert not was_committed(database, run)
    rows.succeed(database, run)
    assert was_committed(database, run)


def test_crash_is_not_taken_for_the_commit_that_was_lost(database: Database) -> None:
    run = rows.start(database, rows.accept(database))
    rows.crash(database, run)
    assert not was_committed(database, run)


def was_committed(database: Database, run: ClaimedRun) -> bool:
    with database.begin() as connection:
        return runs.was_committed(connection, run)


def test_crash_is_counted_apart_from_failures_and_tried_again(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    assert rows.crash(database, run) is RunState.CRASHED
    step = rows.get_steps(database, job)["work"]
    assert (step.crashes, step.failures, step.state) == (1, 0, StepState.QUEUED)


def record_crash(database: Database, lease: dispatch.Lease) -> RunState | None:
    with database.begin() as connection:
        return dispatch.record_crash(connection, lease, CRASH, delay_seconds=0)


def test_try_that_was_renewed_in_the_last_moment_is_not_closed(database: Database) -> None:
    run = rows.start(database, rows.accept(database))
    seen = rows.find_lease(database, run)
    assert seen is not None
    with database.begin() as connection:
        assert claims.renew_lease(connection, run, lease_seconds=60)
    assert record_crash(database, seen) is None
    assert rows.find_lease(database, run) is not None


def test_two_sweepers_count_a_crash_once(database: Database) -> None:
    job = rows.accept(database)
    seen = rows.find_lease(database, rows.start(database, job))
    assert seen is not None
    with ThreadPoolExecutor(8) as pool:
        closed = list(pool.map(lambda _: record_crash(database, seen), range(8)))
    assert closed.count(RunState.CRASHED) == 1
    assert rows.get_steps(database, job)["work"].crashes == 1


def test_poison_is_dead_at_exactly_its_limit_of_crashes(database: Database) -> None:
    job = rows.accept(database, [make_step(max_crashes=3)])
    for number in (1, 2, 3):
        run = rows.start(database, job)
        assert run.attempt == number
        rows.crash(database, run)
    failed = rows.get_job(database, job)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "worker_crashed"
    assert rows.queued_runs(database, job.id) == {}


def test_token_of_a_run_under_way_is_live_and_then_no_more(database: Database) -> None:
    run = rows.start(database, rows.accept(database))
    with database.begin() as connection:
        assert claims.is_live_token(connection, run.token)
    rows.succeed(database, run)
    with database.begin() as connection:
        assert not claims.is_live_token(connection, run.token)
