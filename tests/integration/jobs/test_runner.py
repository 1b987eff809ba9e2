"""A worker's work on one run, with real rows, real clocks and handlers made for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.jobs.engine import CATALOG
from tests.integration.storage import rows

from cinemill.core.job import Job, JobState, RunState, StepState
from cinemill.errors import (
    CommandFailed,
    LeaseLost,
    MediaRejected,
    RedisUnavailable,
)
from cinemill.jobs import heart
from cinemill.jobs.catalog import TryLimits
from cinemill.jobs.dispatch import CRASH
from cinemill.jobs.events import EventReader, EventSink
from cinemill.jobs.runner import Runner
from cinemill.jobs.service import JobService
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.storage import assets, dispatch
from cinemill.storage.database import Connection, Database

SOON_SECONDS = 5.0
"""On a machine that does much else at once; what must be quicker says so."""


@dataclass
class Bench:
    """A runner whose handlers a test writes, and what is asked of the rows afterwards."""

    database: Database
    service: JobService
    sink: EventSink
    folder: Path
    handlers: dict[str, Handler] = field(default_factory=dict)
    limits: TryLimits = field(default_factory=TryLimits)
    runner: Runner | None = None

    def submit(self, handler: Handler, kind: str = "work") -> Job:
        self.handlers[kind] = handler
        return self.service.create_job(kind)

    def execute(self, job: Job, name: str = "work") -> RunState | None:
        """The job's queued run, on this thread as a worker does."""
        rows.change(self.database, "UPDATE run SET run_at = now() WHERE job_id = :id", id=job.id)
        run_id = rows.queued_runs(self.database, job.id)[name]
        if self.runner is None:
            self.runner = Runner(
                self.database,
                self.sink,
                self.handlers,
                catalog=CATALOG,
                limits=self.limits,
                work_folder=self.folder,
                worker="host:1",
            )
        return self.runner.execute(run_id)

    def job(self, job: Job) -> Job:
        return rows.get_job(self.database, job)

    def failure_code(self, job: Job) -> str | None:
        query = text(
            "SELECT failure ->> 'code' FROM run WHERE job_id = :id AND failure IS NOT NULL"
        )
        with self.database.begin() as connection:
            return connection.execute(query, {"id": job.id}).scalar()

    def seconds_until_due(self, job: Job) -> float:
        query = text(
            "SELECT extract(epoch FROM run_at - clock_timestamp()) FROM run "
            "WHERE job_id = :id AND state = 'queued'"
        )
        with self.database.begin() as connection:
            return float(connection.execute(query, {"id": job.id}).scalar_one())


@pytest.fixture
def bench(database: Database, service: JobService, sink: EventSink, tmp_path: Path) -> Bench:
    return Bench(database, service, sink, tmp_path / "work")


def do_nothing(context: StepContext) -> StepOutcome:
    return StepOutcome({"done": True})


def work_until_stopped(context: StepContext) -> StepOutcome:
    """As FFmpeg's room does: ask several times a second, and raise what is answered."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        stop = context.should_stop()
        if stop is not None:
            raise stop
        time.sleep(0.02)
    raise AssertionError("nobody stopped the work")


def while_running(act: Callable[[StepContext], None]) -> Handler:
    """Work until stopped, and once it is under way ``act`` on another thread."""

    def handle(context: StepContext) -> StepOutcome:
        threading.Thread(target=act, args=(context,), daemon=True).start()
        return work_until_stopped(context)

    return handle


def raising(error: Exception) -> Handler:
    def handle(context: StepContext) -> StepOutcome:
        raise error

    return handle


def test_work_that_goes_well_completes_the_job_with_its_result(bench: Bench) -> None:
    job = bench.submit(do_nothing)
    assert bench.execute(job) is RunState.SUCCEEDED
    done = bench.job(job)
    assert done.state is JobState.COMPLETED
    assert done.result is not None
    assert done.result["done"] is True
    assert done.result["seconds"] >= 0


def test_a_handler_works_in_a_private_folder_that_is_gone_afterwards(bench: Bench) -> None:
    seen: list[Path] = []

    def handle(context: StepContext) -> StepOutcome:
        assert context.folder.stat().st_mode & 0o777 == 0o700
        assert list(context.folder.iterdir()) == []
        assert context.folder.name == context.run.token
        (context.folder / "proxy.mp4").write_bytes(b"half")
        seen.append(context.folder)
        raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")

    bench.execute(bench.submit(handle))
    assert seen
    assert list(bench.folder.iterdir()) == []


def test_a_run_that_is_taken_or_over_is_left_alone(bench: Bench) -> None:
    job = bench.submit(do_nothing)
    run_id = rows.queued_runs(bench.database, job.id)["work"]
    bench.execute(job)
    assert bench.runner is not None
    assert bench.runner.execute(run_id) is None
    assert bench.runner.execute("no such run") is None
    assert bench.job(job).state is JobState.COMPLETED


def test_what_a_handler_writes_appears_with_its_success(bench: Bench) -> None:
    job = bench.submit(lambda context: StepOutcome({}, write_asset))
    bench.execute(job)
    assert assets.find_asset(bench.database, owner="ann", sha256="made") is not None


def write_asset(connection: Connection) -> None:
    assets.register_asset(connection, owner="ann", sha256="made", size_bytes=1, filename="f.mp4")


def test_a_child_step_is_given_its_parents_result(bench: Bench) -> None:
    given: list[Mapping[str, Any]] = []

    def handle(context: StepContext) -> StepOutcome:
        given.append(context.run.inputs)
        return StepOutcome({"by": context.run.step_name})

    bench.handlers["work"] = handle
    job = bench.service.create_job("chain")
    bench.execute(job, "first")
    bench.execute(job, "second")
    assert given[1]["first"]["by"] == "first"
    result = bench.job(job).result
    assert result is not None
    assert result["by"] == "second"


def test_watchers_are_told_how_far_it_is(bench: Bench, own_redis: str) -> None:

    def handle(context: StepContext) -> StepOutcome:
        time.sleep(0.3)  # the first word was just said
        context.report(0.5, "Making the proxy")
        return StepOutcome()

    bench.handlers["work"] = handle
    job = bench.service.create_job("chain")
    bench.execute(job, "first")

    async def read() -> Any:
        reader = EventReader(own_redis)
        try:
            return await reader.read_status(job.id)
        finally:
            await reader.close()

    told = asyncio.run(read())
    assert (told["progress"], told["message"], told["stage"]) == (25, "Making the proxy", "first")
    assert told["seconds_left"] > 0


def test_a_failure_is_tried_again_after_a_minute_or_so(bench: Bench) -> None:
    job = bench.submit(raising(CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="x")))
    assert bench.execute(job) is RunState.FAILED
    assert bench.job(job).state is JobState.RUNNING
    assert bench.job(job).message == "Trying again: ffmpeg ended with 1."
    assert 40 < bench.seconds_until_due(job) <= 75


def test_each_failure_doubles_the_wait(bench: Bench) -> None:
    job = bench.submit(raising(CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="x")))
    bench.execute(job)
    bench.execute(job)
    assert 85 < bench.seconds_until_due(job) <= 150


def test_after_three_retries_it_is_dead_with_the_last_lines(bench: Bench) -> None:
    job = bench.submit(
        raising(CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="moov atom not found"))
    )
    for _ in range(4):
        assert bench.execute(job) is RunState.FAILED
    assert rows.queued_runs(bench.database, job.id) == {}
    failed = bench.job(job)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.log_tail == "moov atom not found"
    (dead,) = bench.service.list_dead()
    assert (dead.attempts, dead.failures) == (4, 4)


def test_a_kind_of_work_may_have_fewer_retries_and_its_own_delay(bench: Bench) -> None:
    error = CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")
    job = bench.submit(raising(error), "fragile_work")
    bench.execute(job)
    assert 5 < bench.seconds_until_due(job) <= 12.5
    bench.execute(job)
    assert bench.job(job).state is JobState.FAILED


def test_after_a_failure_a_success_counts(bench: Bench) -> None:
    job = bench.submit(raising(CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")))
    bench.execute(job)
    bench.handlers["work"] = do_nothing
    bench.execute(job)
    assert bench.job(job).state is JobState.COMPLETED
    assert rows.get_steps(bench.database, job)["work"].attempts == 2


def test_bad_input_is_never_tried_again(bench: Bench) -> None:
    error = MediaRejected("The file ends before the film does.", code="media_truncated")
    job = bench.submit(raising(error))
    assert bench.execute(job) is RunState.REJECTED
    assert rows.run_states(bench.database, job) == ["rejected"]
    failure = bench.job(job).failure
    assert failure is not None
    assert failure.code == "media_truncated"


def test_an_unexpected_error_is_a_failure_with_its_traceback(
    bench: Bench, allow_error_logs: None
) -> None:
    job = bench.submit(raising(ZeroDivisionError("division by zero")))
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "internal_error"


@pytest.mark.parametrize("result", [{"x": object()}, {"x": "nul\x00"}, {"x": float("nan")}])
def test_a_result_that_no_row_can_hold_is_a_failure(
    bench: Bench, allow_error_logs: None, result: dict[str, Any]
) -> None:
    job = bench.submit(lambda context: StepOutcome(result))
    assert bench.execute(job) is RunState.FAILED
    assert rows.get_steps(bench.database, job)["work"].failures == 1


def test_words_that_no_row_can_hold_do_not_hide_how_it_ended(bench: Bench) -> None:
    error = CommandFailed("film\udcff\x00.mp4", exit_code=1, log_tail="\x00\udcff")
    job = bench.submit(raising(error))
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "command_failed"


def test_a_missing_server_is_nobodys_fault(bench: Bench) -> None:
    job = bench.submit(raising(RedisUnavailable("Redis does not answer.")))
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes, step.state) == (0, 0, StepState.QUEUED)
    assert 0 < bench.seconds_until_due(job) <= 5


def test_a_cancel_stops_work_within_a_second(bench: Bench) -> None:
    """The heart beats every 15 s: it is PostgreSQL's NOTIFY that tells it."""
    asked: list[float] = []

    def cancel(context: StepContext) -> None:
        time.sleep(0.8)  # well under way
        asked.append(time.monotonic())
        bench.service.cancel_job(context.run.job_id, "wrong film")

    job = bench.submit(while_running(cancel))
    assert bench.execute(job) is RunState.CANCELLED
    assert time.monotonic() - asked[0] < 1
    cancelled = bench.job(job)
    assert (cancelled.state, cancelled.cancel_reason) == (JobState.CANCELLED, "wrong film")
    assert list(bench.folder.iterdir()) == []


def test_a_cancel_in_the_first_moment_of_a_workers_first_task_is_heard_soon(bench: Bench) -> None:
    """Before the worker listens nobody hears the bell: it looks once it does."""

    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        return work_until_stopped(context)

    job = bench.submit(handle)
    began = time.monotonic()
    assert bench.execute(job) is RunState.CANCELLED
    assert time.monotonic() - began < SOON_SECONDS


def test_a_cancel_of_one_job_leaves_another_alone(bench: Bench) -> None:
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
    rows.let_lease_run_out(bench.database, context.run)
    with bench.database.begin() as connection:
        dispatch.record_crash(connection, context.run.id, CRASH, delay_seconds=0)


def test_work_whose_lease_is_lost_publishes_nothing(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        lose_lease(bench, context)
        return StepOutcome({"late": True}, write_asset)

    job = bench.submit(handle)
    assert bench.execute(job) is None
    assert assets.find_asset(bench.database, owner="ann", sha256="made") is None
    assert rows.run_states(bench.database, job) == ["crashed", "queued"]
    assert list(bench.folder.iterdir()) == []


def test_a_failure_whose_lease_is_lost_is_not_counted(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        lose_lease(bench, context)
        raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")

    job = bench.submit(handle)
    assert bench.execute(job) is None
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes) == (0, 1)


def test_the_next_beat_finds_that_the_lease_is_lost(bench: Bench) -> None:
    bench.limits = TryLimits(lease_seconds=60, heartbeat_seconds=0.3)
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


def test_a_heart_that_beats_keeps_a_short_lease_alive(bench: Bench) -> None:
    bench.limits = TryLimits(lease_seconds=4, heartbeat_seconds=0.5)

    def handle(context: StepContext) -> StepOutcome:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            assert context.should_stop() is None
            time.sleep(0.1)
        return StepOutcome()

    assert bench.execute(bench.submit(handle)) is RunState.SUCCEEDED


def test_deleting_a_job_stops_the_sibling_that_still_works(bench: Bench) -> None:
    """A failed job may be deleted while a step of it has not noticed yet."""
    bench.limits = TryLimits(heartbeat_seconds=0.3)

    def delete(context: StepContext) -> None:
        rows.change(bench.database, "DELETE FROM job WHERE id = :id", id=context.run.job_id)

    job = bench.submit(while_running(delete))
    assert bench.execute(job) is None


def test_work_without_progress_is_stopped_and_tried_again(bench: Bench) -> None:
    job = bench.submit(work_until_stopped, "hanging_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "command_stalled"
    assert rows.get_steps(bench.database, job)["work"].failures == 1


def test_slow_work_that_moves_is_left_to_it(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        for step in range(8):
            context.report(step / 8, "Making the proxy")
            assert context.should_stop() is None
            time.sleep(0.2)
        return StepOutcome()

    assert bench.execute(bench.submit(handle, "hanging_work")) is RunState.SUCCEEDED


def test_work_over_its_queues_time_is_stopped(bench: Bench) -> None:
    job = bench.submit(work_until_stopped, "long_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "time_limit"


def test_work_over_its_queues_memory_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "WEIGH_SECONDS", 0.3)
    job = bench.submit(work_until_stopped, "hungry_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "memory_limit"


def test_a_worker_that_is_told_to_stop_hands_its_work_back_uncounted(bench: Bench) -> None:
    def stop(context: StepContext) -> None:
        time.sleep(0.2)
        assert bench.runner is not None
        assert bench.runner.stop_current("The worker was told to stop.")

    job = bench.submit(while_running(stop))
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes, step.state) == (0, 0, StepState.QUEUED)
    assert bench.seconds_until_due(job) <= 0
    bench.handlers["work"] = do_nothing
    assert bench.execute(job) is RunState.SUCCEEDED


def test_a_worker_without_work_has_nothing_to_hand_back(bench: Bench) -> None:
    bench.execute(bench.submit(do_nothing))
    assert bench.runner is not None
    assert not bench.runner.stop_current("The worker was told to stop.")


def test_one_worker_does_one_run_after_the_other(bench: Bench) -> None:
    for handler, state in (
        (do_nothing, RunState.SUCCEEDED),
        (raising(MediaRejected("no film")), RunState.REJECTED),
        (do_nothing, RunState.SUCCEEDED),
    ):
        assert bench.execute(bench.submit(handler)) is state


def test_a_cancel_in_the_first_moment_of_a_later_task_is_heard_within_a_second(
    bench: Bench,
) -> None:
    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        return work_until_stopped(context)

    bench.execute(bench.submit(do_nothing))
    for _ in range(3):
        job = bench.submit(handle)
        began = time.monotonic()
        assert bench.execute(job) is RunState.CANCELLED
        assert time.monotonic() - began < 1.5


def test_without_redis_the_work_is_done_all_the_same(bench: Bench) -> None:
    bench.sink = EventSink("redis://127.0.0.1:1/0")
    job = bench.submit(do_nothing)
    assert bench.execute(job) is RunState.SUCCEEDED
    bench.sink.close()
