"""A step that waits for something: it gives its worker back and is asked again, at nobody's cost.

And a job that submits others: what becomes of it, and of them.
"""

from __future__ import annotations

import pytest
from tests.integration.jobs.bench import Bench, do_nothing, raising
from tests.integration.storage import rows

from cinemill.capabilities.render.batch import collect_batch, submit_batch
from cinemill.core.job import Job, JobState, RunState, StepState
from cinemill.errors import Postponed
from cinemill.jobs.step import StepContext

SCENE = {"video_path": "/films/a.mp4", "start_time": 0, "end_time": 1}


def test_postponed_step_is_run_again_later(bench: Bench) -> None:
    job = bench.submit(raising(Postponed("1 of 2 renders have finished.", delay_seconds=3)))
    for _ in range(6):  # oftener than a failure would be forgiven
        assert bench.execute(job) is RunState.RETURNED
    step = rows.get_steps(bench.database, job)["work"]
    assert (step.failures, step.crashes, step.state) == (0, 0, StepState.QUEUED)
    assert 2 < bench.seconds_until_due(job) <= 3
    assert bench.job(job).message == "1 of 2 renders have finished."
    bench.handlers["work"] = do_nothing
    assert bench.execute(job) is RunState.SUCCEEDED


@pytest.fixture
def batch(bench: Bench) -> Job:
    """Two timelines that can be, and one that cannot."""
    bench.handlers["submit_batch"] = lambda context: submit_batch(bench.service, context)
    bench.handlers["collect_batch"] = lambda context: collect_batch(bench.service, context)
    timelines = [{"scenes": [SCENE]}, {"scenes": []}, {"scenes": [SCENE, SCENE]}]
    return bench.service.create_job("batch_render", params={"jobs": timelines}, priority=7)


def list_children(bench: Bench) -> list[Job]:
    """In the order in which they were submitted."""
    return list(reversed(bench.service.list_jobs(kind="render_video")))


def test_batch_submits_each_and_waits_for_all(bench: Bench, batch: Job) -> None:
    assert bench.execute(batch, "submit") is RunState.SUCCEEDED
    first, empty, second = list_children(bench)
    assert [job.state for job in (first, empty, second)] == [
        JobState.PENDING,
        JobState.FAILED,
        JobState.PENDING,
    ]
    assert first.priority == second.priority == 7
    assert bench.execute(batch, "collect") is RunState.RETURNED
    for job in (first, second):
        bench.service.cancel_job(job.id, "enough")
    assert bench.execute(batch, "collect") is RunState.SUCCEEDED
    result = bench.job(batch).result
    assert result is not None
    assert [one["error"]["code"] for one in result["results"]] == [
        "cancelled",
        "timeline_empty",
        "cancelled",
    ]


def test_submitting_twice_submits_once(bench: Bench, batch: Job) -> None:
    def submit_and_fail(context: StepContext) -> None:
        submit_batch(bench.service, context)
        raise Postponed("lost", delay_seconds=0)

    whole = bench.handlers["submit_batch"]
    bench.handlers["submit_batch"] = submit_and_fail  # type: ignore[assignment]
    assert bench.execute(batch, "submit") is RunState.RETURNED
    bench.handlers["submit_batch"] = whole
    assert bench.execute(batch, "submit") is RunState.SUCCEEDED
    assert len(list_children(bench)) == 3


def test_render_that_was_deleted_is_an_answer_too(bench: Bench, batch: Job) -> None:
    bench.execute(batch, "submit")
    for job in list_children(bench):
        bench.service.stop_and_delete(job.id)
    assert bench.execute(batch, "collect") is RunState.SUCCEEDED
    result = bench.job(batch).result
    assert result is not None
    assert {one["error"]["code"] for one in result["results"]} == {"job_not_found"}


def test_cancelling_a_batch_cancels_its_renders(bench: Bench, batch: Job) -> None:
    bench.execute(batch, "submit")
    bench.service.cancel_job(batch.id, "wrong films")
    states = {job.cancel_reason for job in list_children(bench) if job.state is JobState.CANCELLED}
    assert states == {"wrong films"}
    assert len(list_children(bench)) == 3
    assert not bench.service.list_jobs(states=[JobState.PENDING, JobState.RUNNING])


def test_batch_cancelled_while_it_submits_leaves_nothing_running(bench: Bench, batch: Job) -> None:
    def cancel_and_submit(context: StepContext) -> object:
        bench.service.cancel_job(batch.id, "wrong films")
        return submit_batch(bench.service, context)

    bench.handlers["submit_batch"] = cancel_and_submit  # type: ignore[assignment]
    bench.execute(batch, "submit")
    assert bench.job(batch).state is JobState.CANCELLED
    assert not bench.service.list_jobs(states=[JobState.PENDING, JobState.RUNNING])
