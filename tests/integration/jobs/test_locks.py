"""A stranger locks rows of one job: the others go on, and nothing that is healthy is lost."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from sqlalchemy import text
from tests.integration.jobs.bench import Bench, do_nothing, while_running, work_until_stopped
from tests.integration.jobs.engine import Engine
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.core.job import JobState, RunState, StepState
from cinemill.errors import LockTimeout
from cinemill.jobs.catalog import RetryPolicy
from cinemill.jobs.planning.sweeping import MOST_LOCKED
from cinemill.jobs.runs import attempt
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.storage import hardware
from cinemill.storage.jobs import dispatch
from cinemill.storage.media import assets

SHORT = RetryPolicy(lease_seconds=4, heartbeat_seconds=0.5)


def test_claim_of_a_locked_job_frees_the_worker_and_is_made_later(bench: Bench) -> None:
    locked, free = bench.submit(do_nothing), bench.submit(do_nothing)
    run_id = rows.queued_runs(bench.database, locked.id)["work"]
    with bench.database.begin() as connection:
        dispatch.stamp_published(connection, [run_id])
    with rows.locked_job(bench.database, locked):
        assert bench.execute(free) is RunState.SUCCEEDED
        assert bench.runner is not None
        assert bench.runner.execute(run_id) is None
    with bench.database.begin() as connection:
        assert dispatch.list_unclaimed(connection, older_than_seconds=0) == []
    assert bench.execute(locked) is RunState.SUCCEEDED


def test_message_is_held_while_the_whole_table_is_locked(bench: Bench) -> None:
    """Else one worker would swallow all that is published."""
    job = bench.submit(do_nothing)
    run_id = rows.queued_runs(bench.database, job.id)["work"]
    with bench.database.begin() as connection:
        dispatch.stamp_published(connection, [run_id])
    held, is_free = ExitStack(), threading.Event()
    held.enter_context(rows.locked(bench.database, "LOCK TABLE run IN EXCLUSIVE MODE"))
    held.callback(is_free.set)
    threading.Timer(5.0, held.close).start()
    state = bench.make_runner().execute(run_id)
    assert is_free.is_set()
    if state is None:  # it came free just when the run was put off
        with bench.database.begin() as connection:
            assert dispatch.list_unclaimed(connection, older_than_seconds=0) == []
        state = bench.execute(job)
    assert state is RunState.SUCCEEDED


def test_healthy_run_of_a_locked_job_keeps_its_lease_and_its_work(bench: Bench) -> None:
    """Its heartbeat used to wait for the job's row, and could not renew meanwhile."""
    bench.limits = SHORT
    job = bench.submit(do_nothing)
    held = ExitStack()

    def work(context: StepContext) -> StepOutcome:
        held.enter_context(rows.locked_job(bench.database, job))
        until = time.monotonic() + 2 * SHORT.lease_seconds
        while time.monotonic() < until:
            assert context.should_stop() is None
            time.sleep(0.05)
        # And while it is being recorded, for longer than a lease.
        threading.Timer(2 * SHORT.lease_seconds, held.close).start()
        return StepOutcome({"done": True})

    bench.handlers["work"] = work
    assert bench.execute(job) is RunState.SUCCEEDED
    assert rows.run_states(bench.database, job) == ["succeeded"]


def test_limits_of_the_work_do_not_hold_for_its_recording(bench: Bench) -> None:
    """Waiting for a row is no stalled encoder: the process used to be given up for it."""
    job = bench.submit(do_nothing, "hanging_work")
    held = ExitStack()

    def work(_context: StepContext) -> StepOutcome:
        held.enter_context(rows.locked_job(bench.database, job))
        threading.Timer(3.0, held.close).start()
        return StepOutcome()

    bench.handlers["hanging_work"] = work
    assert bench.execute(job) is RunState.SUCCEEDED


def test_run_whose_row_was_locked_for_longer_than_its_lease_is_handed_back(
    bench: Bench,
) -> None:
    bench.limits = SHORT
    held = ExitStack()
    lock = "SELECT 1 FROM run WHERE job_id = :id FOR UPDATE"

    def work(context: StepContext) -> StepOutcome:
        held.enter_context(rows.locked(bench.database, lock, id=context.run.job_id))
        threading.Timer(1.5 * SHORT.lease_seconds, held.close).start()
        return work_until_stopped(context)

    job = bench.submit(work)
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.crashes, step.failures, step.state) == (0, 0, StepState.QUEUED)


def test_worker_that_finds_its_own_lease_over_hands_back_what_is_still_its_own(
    bench: Bench,
) -> None:
    """It used to drop the work, and the sweeper took that for a crash."""

    def let_deadline_pass(_context: StepContext) -> None:
        assert bench.runner is not None
        attended = bench.runner._heartbeat.attempt
        assert isinstance(attended, attempt.Attempt)
        attended.deadline = time.monotonic() - 1.0

    job = bench.submit(while_running(let_deadline_pass))
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.crashes, step.failures, step.state) == (0, 0, StepState.QUEUED)


def test_leases_are_not_judged_while_nobody_can_renew_them(engine: Engine) -> None:
    """Once a migration that held the table for longer than a lease made healthy runs crash."""
    engine.submit(1)
    engine.dispatcher.publish_ready()
    rows.let_lease_run_out(engine.database, engine.claim(*engine.post.sent))
    lock = rows.locked(engine.database, "LOCK TABLE run IN EXCLUSIVE MODE")
    with lock, pytest.raises(LockTimeout):
        engine.dispatcher.close_crashed()
    assert engine.dispatcher.close_crashed() == 1


def test_sweeper_closes_the_rest_where_one_job_is_locked(engine: Engine) -> None:
    jobs = engine.submit(5)
    engine.dispatcher.publish_ready()
    for ready in list(engine.post.sent):
        rows.let_lease_run_out(engine.database, engine.claim(ready))
    with rows.locked_job(engine.database, jobs[0]):
        assert engine.dispatcher.close_crashed() == 4
        assert engine.dispatcher.finish_cancels() == 0
    assert engine.dispatcher.close_crashed() == 1


def test_many_locked_jobs_hold_a_sweep_up_for_a_moment_each_time(engine: Engine) -> None:
    """In another order at each sweep, so that the one that is free has its turn."""
    jobs = engine.submit(MOST_LOCKED + 2)
    engine.dispatcher.publish_ready()
    for ready in list(engine.post.sent):
        rows.let_lease_run_out(engine.database, engine.claim(ready))
    with ExitStack() as locks:
        for job in jobs[1:]:
            locks.enter_context(rows.locked_job(engine.database, job))
        wait_until(engine.dispatcher.close_crashed)
    assert rows.run_states(engine.database, jobs[0]) == ["crashed", "queued"]


def test_sweeper_finishes_other_cancels_where_one_job_is_locked(engine: Engine) -> None:
    jobs = engine.submit(3)
    engine.dispatcher.publish_ready()
    for ready in list(engine.post.sent):
        rows.let_lease_run_out(engine.database, engine.claim(ready))
    # As they are left by a sweeper that was killed between the crash and the cancel.
    rows.change(engine.database, "UPDATE run SET state = 'crashed', lease_until = NULL")
    rows.change(engine.database, "UPDATE job SET cancel_requested_at = now()")
    with rows.locked_job(engine.database, jobs[1]):
        assert engine.dispatcher.finish_cancels() == 2
    assert engine.dispatcher.finish_cancels() == 1


def test_other_jobs_are_published_and_announced_where_one_is_locked(engine: Engine) -> None:
    locked, free = engine.submit(2)
    lock = (
        "SELECT 1 FROM job JOIN step ON step.job_id = job.id JOIN run ON run.job_id = job.id "
        "WHERE job.id = :id FOR UPDATE"
    )
    with rows.locked(engine.database, lock, id=locked.id):
        engine.dispatcher.publish_ready()
        assert (
            engine.dispatcher.announce_changes() == 0
        )  # the free one was announced as it was published
        (sent,) = engine.post.sent
        engine.finish(sent)
        assert rows.get_job(engine.database, free).state is JobState.COMPLETED
        assert engine.dispatcher.announce_changes() == 1
    assert engine.dispatcher.publish_ready() == 1


def test_turn_ends_the_delay_of_a_locked_job_without_waiting_for_it(engine: Engine) -> None:
    """Changed twice in one transaction, the run's reference to its job would be checked again."""
    (locked,) = engine.submit()
    over = "UPDATE run SET delay_seconds = 0, delay_ends = '-Infinity' WHERE job_id = :id"
    rows.change(engine.database, over, id=locked.id)
    engine.submit()
    with rows.locked_job(engine.database, locked):
        assert engine.dispatcher.publish_ready() == 2


def test_turn_moves_a_locked_job_to_hardware_without_waiting_for_it(engine: Engine) -> None:
    with engine.database.begin() as connection:
        hardware.announce(connection, "celery@one", {"h264_nvenc": "h264"})
    (locked,) = engine.submit(kind="hardware_work")
    engine.submit()
    with rows.locked_job(engine.database, locked):
        assert engine.dispatcher.publish_ready() == 2
    assert {run.queue for run in engine.post.sent} == {"default", "gpu_h264"}


def test_turn_moves_a_retry_of_a_locked_job_to_hardware_without_waiting_for_it(
    engine: Engine,
) -> None:
    """Its delay begins in the same turn, so that the run was changed twice."""
    with engine.database.begin() as connection:
        hardware.announce(connection, "celery@one", {"h264_nvenc": "h264"})
    (locked,) = engine.submit(kind="hardware_work")
    delayed = "UPDATE run SET delay_seconds = 60, delay_ends = '-Infinity' WHERE job_id = :id"
    rows.change(engine.database, delayed, id=locked.id)
    engine.submit()
    with rows.locked_job(engine.database, locked):
        assert engine.dispatcher.publish_ready() == 1
    query = text("SELECT queue, delay_ends > 0 FROM run WHERE job_id = :id")
    with engine.database.begin() as connection:
        assert tuple(connection.execute(query, {"id": locked.id}).one()) == ("gpu_h264", True)


def test_turn_waits_for_nobody_who_holds_the_row_of_the_engines_clock(engine: Engine) -> None:
    """Nothing at all was published meanwhile."""
    engine.submit(2)
    assert engine.dispatcher.publish_ready() == 2
    engine.submit()
    # So long ago that the next turn notes the time again.
    rows.change(engine.database, "UPDATE engine_clock SET seconds = seconds - 10")
    with rows.locked(engine.database, "SELECT 1 FROM engine_clock FOR UPDATE"):
        assert engine.dispatcher.publish_ready() == 1
    query = text("SELECT seconds FROM engine_clock")
    with engine.database.begin() as connection:
        before = float(connection.execute(query).scalar_one())
    engine.dispatcher.publish_ready()
    with engine.database.begin() as connection:
        assert float(connection.execute(query).scalar_one()) >= before + 10


@pytest.mark.parametrize(
    ("unknown", "published"),
    [("SELECT id FROM run ORDER BY turn LIMIT 1", 7), ("SELECT id FROM run", 0)],
)
def test_turn_with_steps_that_nobody_knows_waits_for_no_asset(
    engine: Engine, unknown: str, published: int
) -> None:
    """It changed the job twice: to say what it waits for, and to announce it or for another."""
    with engine.database.begin() as connection:
        film, _ = assets.register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
    (job,) = engine.submit(kind="crowd", asset_id=film.id)
    change = f"UPDATE run SET kind = 'of_tomorrow_' || turn % 2 WHERE id IN ({unknown})"
    rows.change(engine.database, change)
    with rows.locked(engine.database, "SELECT 1 FROM asset FOR UPDATE"):
        assert engine.dispatcher.publish_ready() == published
    assert "no installed package provides" in engine.service.get_job(job.id).message


def test_run_of_a_kind_that_nobody_knows_keeps_no_other_from_going_out(
    engine: Engine,
) -> None:
    """Rows of a newer version, after going back to an older one."""
    unknown, _ = engine.submit(2)
    rows.change(
        engine.database, "UPDATE run SET kind = 'of_tomorrow' WHERE job_id = :id", id=unknown.id
    )
    assert engine.dispatcher.publish_ready() == 1
    assert engine.dispatcher.publish_ready() == 0


def test_run_that_no_message_can_be_made_of_keeps_no_other_from_going_out(
    engine: Engine, allow_error_logs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, _ = engine.submit(3)
    bad = rows.queued_runs(engine.database, first.id)["work"]
    send = engine.post.send

    def refuse(ready: dispatch.ReadyRun) -> None:
        if ready.id == bad:
            raise TypeError("not serializable")
        send(ready)

    monkeypatch.setattr(engine.dispatcher, "_send", refuse)
    engine.dispatcher.publish_ready()
    assert len(engine.post.sent) == 2


def test_cancel_of_a_locked_job_is_refused_for_now(engine: Engine) -> None:
    (job,) = engine.submit()
    with rows.locked_job(engine.database, job), pytest.raises(LockTimeout):
        engine.service.cancel_job(job.id)
    assert engine.service.cancel_job(job.id).state is JobState.CANCELLED


def test_cancel_waits_for_nobody_who_holds_the_jobs_video(engine: Engine) -> None:
    with engine.database.begin() as connection:
        film, _ = assets.register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
    (job,) = engine.submit(asset_id=film.id)
    with rows.locked(engine.database, "SELECT 1 FROM asset FOR UPDATE"):
        assert engine.service.cancel_job(job.id).state is JobState.CANCELLED
    assert engine.dispatcher.announce_changes() == 1


def test_bulk_retry_takes_all_that_nobody_holds(engine: Engine) -> None:
    failed = engine.submit(3)
    for job in failed:
        rows.mark_dead(engine.database, rows.start(engine.database, job))
    with rows.locked_job(engine.database, failed[1]):
        assert engine.service.retry_failed() == 2
    assert engine.service.retry_failed() == 1
    assert engine.service.retry_failed() == 0


def test_cancel_goes_past_a_child_that_is_locked_and_reaches_it_later(bench: Bench) -> None:
    scene = {"video_path": "/films/a.mp4", "start_time": 0, "end_time": 1}
    from cinemill.capabilities.render.batch import submit_batch

    bench.handlers["submit_batch"] = lambda context: submit_batch(bench.service, context)
    timelines = [{"scenes": [scene]} for _ in range(3)]
    batch = bench.service.create_job("batch_render", params={"jobs": timelines})
    assert bench.execute(batch, "submit") is RunState.SUCCEEDED
    children = bench.service.list_jobs(kind="render_video")
    with rows.locked_job(bench.database, children[1]):
        bench.service.cancel_job(batch.id)
    states = [bench.job(child).state for child in children]
    assert states == [JobState.CANCELLED, JobState.PENDING, JobState.CANCELLED]
    bench.service.cancel_job(batch.id)
    assert bench.job(children[1]).state is JobState.CANCELLED
