"""A job goes on without an optional step that fails, at once and whatever the reason."""

from __future__ import annotations

import pytest
from tests.integration.jobs.bench import Bench, raising
from tests.integration.jobs.engine import CATALOG
from tests.integration.storage import rows

from cinemill.core.job import JobState, RunState, StepState
from cinemill.errors import CommandFailed, DiskFull
from cinemill.jobs.catalog import list_optional
from cinemill.jobs.results import ResultOf, Timed
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.rejections import reject_media

ERRORS: dict[str, Exception] = {
    "command": CommandFailed("FFmpeg failed with exit code 183.", exit_code=183, log_tail="x"),
    "rejected": reject_media("media_damaged"),
    "disk": DiskFull("The disk is full."),
    "unexpected": RuntimeError("oops"),
}


def tell_inputs(context: StepContext) -> StepOutcome:
    context.result_of(ResultOf("quick", Timed))  # later steps can read it
    return StepOutcome({"quick": dict(context.run.inputs["quick"])})


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_job_goes_on_without_an_optional_step(
    bench: Bench, error: Exception, allow_error_logs: None
) -> None:
    bench.handlers |= {"quick_work": raising(error), "work": tell_inputs}
    job = bench.service.create_job("quick_chain")
    bench.execute(job, "quick")
    assert bench.execute(job, "work") is RunState.SUCCEEDED
    ended = bench.job(job)
    assert ended.state is JobState.COMPLETED
    assert ended.result is not None
    assert ended.result["quick"]["missing"]["message"]
    assert "log_tail" not in ended.result["quick"]["missing"]


def test_job_goes_on_where_an_optional_step_crashes(bench: Bench) -> None:
    bench.handlers["work"] = tell_inputs
    job = bench.service.create_job("quick_chain")
    claimed = rows.start(bench.database, job, "quick")
    kinds = [*list_optional(CATALOG)]
    assert rows.crash(bench.database, claimed, optional_kinds=kinds) is RunState.CRASHED
    assert rows.get_steps(bench.database, job)["quick"].state is StepState.SUCCEEDED
    bench.execute(job, "work")
    assert bench.job(job).state is JobState.COMPLETED


def test_job_of_one_optional_step_says_what_is_missing(bench: Bench) -> None:
    job = bench.submit(raising(ERRORS["command"]), "quick_work")
    bench.execute(job)
    ended = bench.job(job)
    assert ended.state is JobState.COMPLETED
    assert ended.result is not None
    assert ended.result["missing"]["code"] == "command_failed"


def test_cancelled_job_does_not_go_on_without_an_optional_step(bench: Bench) -> None:
    def fail_after_cancel(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        raise ERRORS["command"]

    bench.handlers["quick_work"] = fail_after_cancel
    job = bench.service.create_job("quick_chain")
    bench.execute(job, "quick")
    assert bench.job(job).state is JobState.CANCELLED
