"""A step that fails twice in the same way is rejected, and what another attempt may mend is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.jobs.bench import Bench, do_nothing, raising
from tests.integration.storage import rows

from cinemill.core.job import Failure, JobState, RunState
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    CommandStalled,
    DiskFull,
    OutputInvalid,
    WorkFailed,
)
from cinemill.jobs.step import Handler, StepContext, StepOutcome

LOG = "[out#0/mp4 @ 0x5] [error] Malformed AAC bitstream detected\n[info] Conversion failed!"


def fail(evidence: str, message: str = "FFmpeg failed with exit code 183.") -> CommandFailed:
    error = CommandFailed(message, exit_code=183, log_tail=LOG)
    error.evidence = evidence
    return error


def write(evidence: str, message: str = "proxy.mp4 lasts 3.3 s, the video 2.0 s.") -> Handler:
    """Return a handler whose command ends well and leaves a wrong output."""

    def handle(context: StepContext) -> StepOutcome:
        context.on_command(evidence)
        raise OutputInvalid(message)

    return handle


def read_failure(bench: Bench, job_id: str) -> Failure:
    failure = bench.service.get_job(job_id).failure
    assert failure is not None
    return failure


@pytest.mark.parametrize("handler", [raising(fail("a")), write("a")], ids=["command", "output"])
def test_second_failure_of_the_same_kind_is_a_rejection(bench: Bench, handler: Handler) -> None:
    job = bench.submit(handler)
    assert bench.execute(job) is RunState.FAILED
    assert bench.seconds_until_due(job) <= 2
    assert bench.execute(job) is RunState.REJECTED
    assert bench.job(job).state is JobState.FAILED
    assert rows.run_states(bench.database, job) == ["failed", "rejected"]
    failure = read_failure(bench, job.id)
    assert not failure.retryable
    assert failure.message.endswith(" A second attempt ended in the same way.")
    assert "report" in failure.hint


def test_handler_can_ask_whether_its_error_is_the_same_again(bench: Bench) -> None:
    """So that a part which an ingestion can do without leaves a gap instead."""
    answers = []

    def handle(context: StepContext) -> StepOutcome:
        answers.append([context.is_repeated(fail(evidence)) for evidence in ("a", "b", "")])
        raise fail("a")

    job = bench.submit(handle)
    bench.execute(job)
    bench.execute(job)
    assert answers == [[False, False, False], [True, False, False]]


def test_rejection_has_the_reason_that_the_command_gave(bench: Bench) -> None:
    job = bench.submit(raising(fail("a")))
    bench.execute(job)
    bench.execute(job)
    failure = read_failure(bench, job.id)
    assert failure.code == "command_failed"
    assert "It said: Malformed AAC bitstream detected." in failure.message
    assert failure.log_tail == LOG


OTHERS: dict[str, tuple[Handler, Handler]] = {
    "another log": (raising(fail("a")), raising(fail("b"))),
    "another sentence": (raising(fail("a")), raising(fail("a", "FFmpeg failed with exit code 1."))),
    "another wrong output": (write("a"), write("a", "proxy.mp4 lasts 3.4 s, the video 2.0 s.")),
    "wrong once, failed once": (write("a"), raising(fail("a"))),
    "nothing known of it": (raising(fail("")), raising(fail(""))),
    "wrong without a command": (raising(OutputInvalid("x")), raising(OutputInvalid("x"))),
}


@pytest.mark.parametrize("what", OTHERS)
def test_failures_that_differ_are_tried_again(bench: Bench, what: str) -> None:
    first, second = OTHERS[what]
    job = bench.submit(first)
    assert bench.execute(job) is RunState.FAILED
    bench.handlers["work"] = second
    assert bench.execute(job) is RunState.FAILED
    assert bench.job(job).state is JobState.RUNNING


TRANSIENT: dict[str, Callable[[], CinemillError]] = {
    "disk": lambda: DiskFull("The disk is full."),
    "memory": lambda: WorkFailed("Too much memory.", code="memory_limit"),
    "killed": lambda: CommandFailed("FFmpeg failed.", exit_code=-9, log_tail=""),
    "stalled": lambda: CommandStalled("No progress.", exit_code=-9, log_tail=""),
    "time": lambda: CommandFailed("Not done.", exit_code=-9, log_tail="", code="time_limit"),
}


@pytest.mark.parametrize("what", TRANSIENT)
def test_what_the_machine_may_mend_is_tried_four_times(bench: Bench, what: str) -> None:
    def handle(context: StepContext) -> StepOutcome:
        context.on_command("the same each time")
        raise TRANSIENT[what]()

    job = bench.submit(handle)
    assert [bench.execute(job) for _ in range(4)] == [RunState.FAILED] * 4
    assert read_failure(bench, job.id).retryable


def test_attempt_that_was_handed_back_in_between_changes_nothing(bench: Bench) -> None:
    from cinemill.errors import RedisUnavailable

    job = bench.submit(raising(fail("a")))
    assert bench.execute(job) is RunState.FAILED
    bench.handlers["work"] = raising(RedisUnavailable("Redis does not respond."))
    assert bench.execute(job) is RunState.RETURNED
    bench.handlers["work"] = raising(fail("a"))
    assert bench.execute(job) is RunState.REJECTED


def test_retry_by_a_person_has_two_attempts_again(bench: Bench) -> None:
    job = bench.submit(raising(fail("a")))
    bench.execute(job)
    bench.execute(job)
    bench.service.retry_job(job.id)
    assert bench.execute(job) is RunState.FAILED
    bench.handlers["work"] = do_nothing
    assert bench.execute(job) is RunState.SUCCEEDED
    assert bench.job(job).state is JobState.COMPLETED


def test_private_folder_in_the_sentence_makes_no_difference(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        context.on_command("a")
        raise OutputInvalid(f"{context.folder}/proxy.mp4 cannot be read back.")

    job = bench.submit(handle)
    assert bench.execute(job) is RunState.FAILED
    assert bench.execute(job) is RunState.REJECTED
