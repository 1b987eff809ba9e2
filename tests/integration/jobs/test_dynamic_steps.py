"""A step that finds more to do than was known: its job grows, and stays one job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.integration.jobs.bench import Bench, raising
from tests.integration.storage import rows

from cinemill.core.job import Job, JobState, RunState, StepSpec, StepState
from cinemill.errors import CommandFailed
from cinemill.jobs.step import Handler, StepContext, StepOutcome

PARTS = [StepSpec("part-0", "work"), StepSpec("part-1", "work")]
JOIN = StepSpec("join", "work", after=("part-0", "part-1"))


def grow(steps: Sequence[StepSpec]) -> Handler:
    """Of the step ``first``: these steps; of every other, its name and what it was given."""

    def handle(context: StepContext) -> StepOutcome:
        name = context.run.step_name
        result = {"by": name, "given": sorted(context.run.inputs)}
        return StepOutcome(result, steps=steps if name == "first" else ())

    return handle


def begin(bench: Bench, steps: Sequence[StepSpec]) -> Job:
    """A chain of ``first`` and ``second`` whose first step found these steps."""
    bench.handlers["work"] = grow(steps)
    job = bench.service.create_job("chain")
    assert bench.execute(job, "first") is RunState.SUCCEEDED
    return job


def queued(bench: Bench, job: Job) -> list[str]:
    return sorted(rows.queued_runs(bench.database, job.id))


def steps_of(bench: Bench, job: Job) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = bench.service.get_job_status(job.id)["steps"]
    return steps


def test_found_steps_come_between_the_finder_and_those_that_wait_for_it(bench: Bench) -> None:
    job = begin(bench, [*PARTS, JOIN])
    assert queued(bench, job) == ["part-0", "part-1"]
    bench.execute(job, "part-0")
    assert queued(bench, job) == ["part-1"]
    bench.execute(job, "part-1")
    assert queued(bench, job) == ["join"]
    bench.execute(job, "join")
    assert queued(bench, job) == ["second"]
    bench.execute(job, "second")
    assert bench.job(job).state is JobState.COMPLETED


def test_found_steps_stand_in_their_place_in_the_list(bench: Bench) -> None:
    job = begin(bench, [*PARTS, JOIN])
    names = [step["name"] for step in steps_of(bench, job)]
    assert names == ["first", "part-0", "part-1", "join", "second"]


def test_found_step_is_given_the_results_of_the_finder_and_of_those_it_names(
    bench: Bench,
) -> None:
    job = begin(bench, [*PARTS, JOIN])
    for name in ("part-0", "part-1", "join", "second"):
        bench.execute(job, name)
    result = bench.job(job).result
    assert result is not None
    assert result["given"] == ["first", "join", "part-0", "part-1"]


def test_what_the_finder_was_given_is_given_to_what_it_found(bench: Bench) -> None:
    bench.handlers["work"] = lambda context: StepOutcome(
        {"given": sorted(context.run.inputs)},
        steps=PARTS if context.run.step_name == "second" else (),
    )
    job = bench.service.create_job("chain")
    for name in ("first", "second", "part-0", "part-1"):
        bench.execute(job, name)
    done = bench.job(job)
    assert done.state is JobState.COMPLETED
    assert done.result is not None
    assert done.result["given"] == ["first", "second"]


def test_finders_share_of_the_progress_goes_to_what_it_found(bench: Bench) -> None:
    shares: list[float] = []

    def handle(context: StepContext) -> StepOutcome:
        shares.append(round(context.run.progress_share))
        return StepOutcome(steps=PARTS if context.run.step_name == "first" else ())

    bench.handlers["work"] = handle
    job = bench.service.create_job("chain")
    for name in ("first", "part-0", "part-1", "second"):
        bench.execute(job, name)
    assert shares == [50, 33, 33, 33]


def test_try_that_fails_adds_nothing(bench: Bench) -> None:
    def handle(context: StepContext) -> StepOutcome:
        def fail(_connection: Any) -> None:
            raise CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")

        return StepOutcome(write=fail, steps=PARTS)

    bench.handlers["work"] = handle
    job = bench.service.create_job("chain")
    assert bench.execute(job, "first") is RunState.FAILED
    assert [step["name"] for step in steps_of(bench, job)] == ["first", "second"]


def test_steps_found_by_a_job_that_is_being_cancelled_are_cancelled_with_it(bench: Bench) -> None:
    bench.handlers["work"] = lambda context: (
        bench.service.cancel_job(context.run.job_id, "enough"),
        StepOutcome(steps=PARTS),
    )[1]
    job = bench.service.create_job("chain")
    bench.execute(job, "first")
    assert bench.job(job).state is JobState.CANCELLED
    states = {step["name"]: step["status"] for step in steps_of(bench, job)}
    assert states["part-0"] == states["part-1"] == StepState.CANCELLED.value


def test_found_step_is_tried_again_by_itself(bench: Bench) -> None:
    job = begin(bench, PARTS)
    bench.execute(job, "part-0")
    bench.handlers["work"] = raising(
        CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="")
    )
    assert bench.execute(job, "part-1") is RunState.FAILED
    bench.handlers["work"] = grow(())
    bench.execute(job, "part-1")
    bench.execute(job, "second")
    assert bench.job(job).state is JobState.COMPLETED
