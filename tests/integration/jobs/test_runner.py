"""How a try ends: well, by failure, by rejection, or handed on to another."""

from __future__ import annotations

import asyncio
import json
import mmap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.integration.jobs.bench import (
    Bench,
    do_nothing,
    raising,
    write_asset,
)
from tests.integration.storage import rows
from tests.waiting import PATIENCE_SECONDS

from cinemill.catalog import CATALOG
from cinemill.core.job import JobState, RunState, StepState
from cinemill.errors import (
    CommandFailed,
    MediaRejected,
    RedisUnavailable,
)
from cinemill.jobs.events import EventPublisher, EventReader
from cinemill.jobs.runs import heartbeat
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.storage.media import assets


def test_work_that_goes_well_completes_the_job_with_its_result(bench: Bench) -> None:
    job = bench.submit(do_nothing)
    assert bench.execute(job) is RunState.SUCCEEDED
    done = bench.job(job)
    assert done.state is JobState.COMPLETED
    assert done.result is not None
    assert done.result["done"] is True
    assert done.result["seconds"] >= 0


def test_every_attempt_records_its_peak_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process' own peak within the try, and its largest command's."""
    # Not weighed with all that it has started, which are here the servers of every test before.
    monkeypatch.setattr(heartbeat, "MEMORY_SECONDS", 3600)

    def take_much(context: StepContext) -> StepOutcome:
        context.on_peak_memory(100 << 20)
        context.on_peak_memory(50 << 20)
        # Pages of its own: the heap may have as much to spare from the tests before.
        with mmap.mmap(-1, 200 << 20) as pages:
            for _ in range(200):
                pages.write(bytes(1 << 20))
        raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")

    much, little = bench.submit(take_much), bench.submit(do_nothing)
    bench.handlers["work"] = take_much
    assert bench.execute(much) is RunState.FAILED
    bench.handlers["work"] = do_nothing
    assert bench.execute(little) is RunState.SUCCEEDED
    (most,), (least,) = (
        [step["peak_memory_bytes"] for step in bench.service.get_job_status(job.id)["steps"]]
        for job in (much, little)
    )
    assert least > 10 << 20
    assert most > least + (250 << 20)


def test_handler_works_in_a_private_folder_that_is_gone_afterwards(bench: Bench) -> None:
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


def test_run_that_is_taken_or_over_is_left_alone(bench: Bench) -> None:
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


def test_what_a_write_returns_is_added_to_the_result(bench: Bench) -> None:
    job = bench.submit(
        lambda context: StepOutcome({"kept": 1, "rows": 0}, lambda connection: {"rows": 2})
    )
    bench.execute(job)
    result = bench.job(job).result or {}
    assert (result["kept"], result["rows"]) == (1, 2)


def test_child_step_is_given_its_parents_result(bench: Bench) -> None:
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


def test_runner_publishes_progress(bench: Bench, own_redis: str) -> None:

    def handle(context: StepContext) -> StepOutcome:
        time.sleep(0.3)  # the first word was just said
        context.report(0.5, "Encoding the preview copy")
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

    event = asyncio.run(read())
    assert (event["progress"], event["message"], event["stage"]) == (
        25,
        "Encoding the preview copy",
        "first",
    )
    assert "seconds_left" not in event, "after so short a time it would mean nothing"


def test_runner_states_the_time_left_once_it_is_measured(bench: Bench, own_redis: str) -> None:
    """The same to watchers of events and to those who ask for the job."""
    stated: list[tuple[object, object]] = []

    def handle(context: StepContext) -> StepOutcome:
        began = time.monotonic()
        with redis.Redis.from_url(own_redis) as server:
            while not stated and time.monotonic() - began < PATIENCE_SECONDS:
                fraction = min(0.9, (time.monotonic() - began) / 60)
                context.report(fraction, f"Encoding, {fraction:.3f}")
                time.sleep(0.3)
                event = json.loads(server.get(f"task_status:{context.run.job_id}") or "{}")
                status = bench.service.get_job_status(context.run.job_id)
                if "seconds_left" in event and status["seconds_left"] is not None:
                    stated.append((event["seconds_left"], status["seconds_left"]))
        return StepOutcome()

    bench.submit(handle)
    bench.execute(bench.service.list_jobs()[0])
    in_event, in_row = stated[0]
    assert in_event == pytest.approx(in_row, abs=5)
    assert 30 < float(str(in_event)) < 120


def test_failure_is_tried_again_after_a_minute_or_so(bench: Bench) -> None:
    job = bench.submit(raising(CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="x")))
    assert bench.execute(job) is RunState.FAILED
    assert bench.job(job).state is JobState.RUNNING
    assert bench.job(job).message == "Retrying: ffmpeg ended with 1."
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


def test_kind_of_work_may_have_fewer_retries_and_its_own_delay(bench: Bench) -> None:
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
    error = MediaRejected("The file is truncated: its end is missing.", code="media_truncated")
    job = bench.submit(raising(error))
    assert bench.execute(job) is RunState.REJECTED
    assert rows.run_states(bench.database, job) == ["rejected"]
    failure = bench.job(job).failure
    assert failure is not None
    assert failure.code == "media_truncated"


def test_unexpected_error_is_a_failure_with_its_traceback(
    bench: Bench, allow_error_logs: None
) -> None:
    job = bench.submit(raising(ZeroDivisionError("division by zero")))
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "internal_error"


@pytest.mark.parametrize("result", [{"x": object()}, {"x": "nul\x00"}, {"x": float("nan")}])
def test_result_that_no_row_can_hold_is_a_failure(
    bench: Bench, allow_error_logs: None, result: dict[str, Any]
) -> None:
    job = bench.submit(lambda context: StepOutcome(result))
    assert bench.execute(job) is RunState.FAILED
    assert rows.get_steps(bench.database, job)["work"].failures == 1


def test_unstorable_message_does_not_hide_how_the_run_ended(bench: Bench) -> None:
    error = CommandFailed("film\udcff\x00.mp4", exit_code=1, log_tail="\x00\udcff")
    job = bench.submit(raising(error))
    assert bench.execute(job) is RunState.FAILED
    assert bench.failure_code(job) == "command_failed"


def test_missing_server_is_nobodys_fault(bench: Bench) -> None:
    job = bench.submit(raising(RedisUnavailable("Redis does not respond.")))
    assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes, step.state) == (0, 0, StepState.QUEUED)
    assert 0 < bench.seconds_until_due(job) <= 5


def test_without_redis_the_work_is_done_all_the_same(bench: Bench) -> None:
    bench.sink = EventPublisher("redis://127.0.0.1:1/0", catalog=CATALOG)
    job = bench.submit(do_nothing)
    assert bench.execute(job) is RunState.SUCCEEDED
    bench.sink.close()


def test_next_attempt_removes_the_folder_that_a_killed_one_left(bench: Bench) -> None:
    """Ten attempts of a step that killed its worker left two hundred megabytes."""
    foreign = bench.folder / ("f" * 32)
    foreign.mkdir(parents=True)
    job = bench.submit(do_nothing)
    for _ in range(2):
        run = rows.start(bench.database, job)
        left = bench.folder / run.token
        left.mkdir()
        (left / "large").write_bytes(b"bytes")
        rows.let_lease_run_out(bench.database, run)
        rows.crash(bench.database, run)
        rows.change(bench.database, "UPDATE run SET delay_ends = NULL")
    assert bench.execute(job) is RunState.SUCCEEDED
    assert list(bench.folder.iterdir()) == [foreign], "another installation's folder stays"
