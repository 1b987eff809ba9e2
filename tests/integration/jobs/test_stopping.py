"""What ends a try from outside: a cancel, a lost lease, a limit, a worker that must go."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import make_url, text
from tests.faults.cluster import replace_port
from tests.faults.cuttable_proxy import CuttableProxy
from tests.integration.jobs.bench import (
    Bench,
    do_nothing,
    raising,
    while_running,
    work_until_stopped,
    write_asset,
)
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.core.job import JobState, RunState, StepState
from cinemill.errors import (
    CommandFailed,
    LeaseLost,
    MediaRejected,
)
from cinemill.jobs.catalog import RetryPolicy
from cinemill.jobs.runs import heartbeat
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.storage.database import Database
from cinemill.storage.media import assets

EVENT_ONLY = RetryPolicy(lease_seconds=7200, heartbeat_seconds=3600)
"""The heartbeat, which checks for a cancel too, does not run during the test."""


def test_cancel_stops_work_at_once(bench: Bench) -> None:
    """PostgreSQL's NOTIFY delivers the cancel."""
    bench.limits = EVENT_ONLY

    def cancel(context: StepContext) -> None:
        time.sleep(0.8)  # well under way
        bench.service.cancel_job(context.run.job_id, "wrong film")

    job = bench.submit(while_running(cancel))
    assert bench.execute(job) is RunState.CANCELLED
    cancelled = bench.job(job)
    assert (cancelled.state, cancelled.cancel_reason) == (JobState.CANCELLED, "wrong film")
    assert list(bench.folder.iterdir()) == []


def test_cancel_at_the_start_of_a_workers_first_task_is_handled_soon(bench: Bench) -> None:
    """A notification before the worker listens is lost: it checks once when it starts listening."""
    bench.limits = EVENT_ONLY

    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        return work_until_stopped(context)

    job = bench.submit(handle)
    assert bench.execute(job) is RunState.CANCELLED


def test_cancel_of_one_job_leaves_another_alone(bench: Bench) -> None:
    other = bench.service.create_job("work")

    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(other.id)
        time.sleep(0.7)
        assert context.should_stop() is None
        return StepOutcome()

    job = bench.submit(handle)
    assert bench.execute(job) is RunState.SUCCEEDED


def lose_lease(bench: Bench, context: StepContext) -> None:
    """As the sweeper closes a run whose worker was frozen."""
    rows.crash(bench.database, context.run)


def test_work_whose_lease_is_lost_publishes_nothing(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        lose_lease(bench, context)
        return StepOutcome({"late": True}, write_asset)

    job = bench.submit(handle)
    assert bench.execute(job) is None
    assert assets.find_asset(bench.database, owner="ann", sha256="made") is None
    assert rows.run_states(bench.database, job) == ["crashed", "queued"]
    assert list(bench.folder.iterdir()) == []


def test_failure_whose_lease_is_lost_is_not_counted(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        lose_lease(bench, context)
        raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")

    job = bench.submit(handle)
    assert bench.execute(job) is None
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes) == (0, 1)


def test_next_beat_finds_that_the_lease_is_lost(bench: Bench) -> None:
    bench.limits = RetryPolicy(lease_seconds=60, heartbeat_seconds=0.3)
    stopped: list[Exception] = []

    def handle(context: StepContext) -> StepOutcome:
        lose_lease(bench, context)
        try:
            return work_until_stopped(context)
        except LeaseLost as error:
            stopped.append(error)
            raise

    assert bench.execute(bench.submit(handle)) is None
    assert stopped


def lease_end(bench: Bench, context: StepContext) -> Any:
    with bench.database.begin() as connection:
        query = text("SELECT lease_until FROM run WHERE id = :id")
        return connection.execute(query, {"id": context.run.id}).scalar_one()


def test_heartbeat_keeps_a_short_lease_alive(bench: Bench) -> None:
    bench.limits = RetryPolicy(lease_seconds=30, heartbeat_seconds=0.5)
    ends: list[object] = []

    def handle(context: StepContext) -> StepOutcome:
        ends.append(lease_end(bench, context))
        for _ in range(3):
            wait_until(lambda: lease_end(bench, context) > ends[-1])
            ends.append(lease_end(bench, context))
        assert context.should_stop() is None
        return StepOutcome()

    assert bench.execute(bench.submit(handle)) is RunState.SUCCEEDED


def test_deleting_a_job_stops_the_sibling_that_still_works(bench: Bench) -> None:
    """A failed job may be deleted while a step of it has not noticed yet."""
    bench.limits = RetryPolicy(heartbeat_seconds=0.3)

    def delete(context: StepContext) -> None:
        rows.change(bench.database, "DELETE FROM job WHERE id = :id", id=context.run.job_id)

    job = bench.submit(while_running(delete))
    assert bench.execute(job) is None


def test_work_without_progress_is_stopped_and_tried_again(bench: Bench) -> None:
    job = bench.submit(work_until_stopped, "hanging_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "command_stalled"
    assert rows.get_steps(bench.database, job)["work"].failures == 1


def test_slow_work_with_progress_is_not_stopped(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        for step in range(12):
            context.report(step / 12, "Encoding the preview copy")
            assert context.should_stop() is None
            time.sleep(0.4)
        return StepOutcome()

    assert bench.execute(bench.submit(handle, "hanging_work")) is RunState.SUCCEEDED


def test_work_over_its_queues_time_is_stopped(bench: Bench) -> None:
    job = bench.submit(work_until_stopped, "long_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "time_limit"


def test_work_over_its_queues_memory_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "MEMORY_SECONDS", 0.3)
    job = bench.submit(work_until_stopped, "hungry_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "memory_limit"


def test_stopping_worker_hands_its_work_back_uncounted(bench: Bench) -> None:
    def stop(context: StepContext) -> None:
        time.sleep(0.2)
        assert bench.runner is not None
        assert bench.runner.request_stop_current("The worker was asked to stop.")

    job = bench.submit(while_running(stop))
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes, step.state) == (0, 0, StepState.QUEUED)
    assert bench.seconds_until_due(job) <= 0
    bench.handlers["work"] = do_nothing
    assert bench.execute(job) is RunState.SUCCEEDED


@pytest.fixture
def cut_off(bench: Bench) -> Iterator[CuttableProxy]:
    """The way of the bench's runner to PostgreSQL, and of nobody else's."""
    direct = make_url(bench.database.url)
    assert direct.port is not None
    proxy = CuttableProxy(direct.port)
    own = Database(replace_port(bench.database.url, proxy.port))
    bench.limits = RetryPolicy(lease_seconds=2, heartbeat_seconds=1)
    bench.make_runner(own)
    yield proxy
    own.close()
    proxy.destroy()


def test_worker_that_lost_its_lease_first_ends_when_it_is_stopped(
    bench: Bench, cut_off: CuttableProxy
) -> None:
    """PostgreSQL does not come back: only who kills such a worker would end it otherwise."""

    def cut_then_stop(context: StepContext) -> None:
        cut_off.close()
        wait_until(lambda: isinstance(context.should_stop(), LeaseLost))
        assert bench.runner is not None
        assert bench.runner.request_stop_current("The worker was asked to stop.")

    job = bench.submit(while_running(cut_then_stop))
    assert bench.execute(job) is None
    assert rows.get_steps(bench.database, job)["work"].state is StepState.RUNNING


def test_handler_that_asks_no_more_while_postgres_is_away_may_come_to_its_end(
    bench: Bench, cut_off: CuttableProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process used to be killed at once, with nothing recorded: it counted as a crash."""
    monkeypatch.setattr(heartbeat, "UNRESPONSIVE_SECONDS", 0.2)

    def handle(context: StepContext) -> StepOutcome:
        cut_off.close()
        time.sleep(4.0)  # twice the lease
        stop = context.should_stop()
        assert isinstance(stop, LeaseLost)
        threading.Timer(1.0, cut_off.restore).start()
        raise stop

    job = bench.submit(handle)
    assert bench.execute(job) is RunState.RETURNED
    assert rows.get_steps(bench.database, job)["work"].crashes == 0


def test_worker_without_work_has_nothing_to_hand_back(bench: Bench) -> None:
    bench.execute(bench.submit(do_nothing))
    assert bench.runner is not None
    assert not bench.runner.request_stop_current("The worker was asked to stop.")


def test_one_worker_does_one_run_after_the_other(bench: Bench) -> None:
    for handler, state in (
        (do_nothing, RunState.SUCCEEDED),
        (raising(MediaRejected("no film")), RunState.REJECTED),
        (do_nothing, RunState.SUCCEEDED),
    ):
        assert bench.execute(bench.submit(handler)) is state


def test_cancel_at_the_start_of_a_later_task_is_handled_at_once(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        return work_until_stopped(context)

    bench.limits = EVENT_ONLY
    bench.execute(bench.submit(do_nothing))
    for _ in range(3):
        assert bench.execute(bench.submit(handle)) is RunState.CANCELLED
