"""Rows of a capability whose package was removed: they wait, say what for, and hold nothing up."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown
from sqlalchemy import text
from tests.integration.jobs.bench import Bench
from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows

from cinemill.core.job import Job, JobState, RunState
from cinemill.jobs.catalog import Catalog
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.jobs.step import Handler, StepContext, StepOutcome

WAITING = "no installed package provides the step 'count_sheep'"


def remove_package(engine: Engine, *jobs: Job, queue: str = "default") -> None:
    """Make these jobs' runs such as a package brought that is gone now."""
    for job in jobs:
        rows.change(
            engine.database,
            "UPDATE run SET kind = 'count_sheep', queue = :queue WHERE job_id = :id",
            queue=queue,
            id=job.id,
        )


def install_package(engine: Engine, *jobs: Job) -> None:
    for job in jobs:
        rows.change(
            engine.database,
            "UPDATE run SET kind = 'work', queue = 'default', delay_ends = NULL WHERE job_id = :id",
            id=job.id,
        )


def message_of(engine: Engine, job: Job) -> str:
    return engine.service.get_job(job.id).message


def test_queued_job_says_what_it_waits_for(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job)
    assert engine.dispatcher.publish_ready() == 0
    assert WAITING in message_of(engine, job)
    assert engine.service.get_job(job.id).state is JobState.PENDING


def test_job_in_a_queue_that_is_gone_says_so_too(engine: Engine) -> None:
    """The relay never looks into that queue."""
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    assert engine.dispatcher.publish_ready() == 0
    assert engine.dispatcher.hold_unknown() == 1
    assert WAITING in message_of(engine, job)
    assert engine.dispatcher.announce_changes() == 1


def test_unknown_kind_is_held_once_a_minute_and_announced_once(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    assert [engine.dispatcher.hold_unknown() for _ in range(3)] == [1, 0, 0]
    assert engine.dispatcher.announce_changes() == 1
    rows.change(engine.database, "UPDATE run SET delay_ends = NULL")
    assert engine.dispatcher.hold_unknown() == 1
    assert engine.dispatcher.announce_changes() == 0


def test_published_runs_of_a_removed_package_make_room_for_others(engine: Engine) -> None:
    gone = engine.submit(16)
    assert engine.dispatcher.publish_ready() == 16
    remove_package(engine, *gone)
    engine.submit(3)
    assert engine.dispatcher.publish_ready() == 0
    assert engine.dispatcher.hold_unknown() == 16
    assert engine.dispatcher.publish_ready() == 3


def test_queued_runs_of_a_removed_package_keep_no_other_from_its_turn(engine: Engine) -> None:
    remove_package(engine, *engine.submit(40))
    engine.submit(3)
    assert engine.dispatcher.publish_ready() == 3


def test_messages_of_a_removed_package_are_not_sent_again(engine: Engine) -> None:
    """Nor do they keep the lost ones of other queues from being sent."""
    gone, lost = engine.submit(2)
    engine.dispatcher.publish_ready()
    remove_package(engine, gone, queue="sheep")
    engine.post.lose()
    before = len(engine.post.sent)
    assert engine.dispatcher.republish_lost(older_than_seconds=0) == 1
    again = engine.post.sent[before:]
    assert [run.id for run in again] == list(rows.queued_runs(engine.database, lost.id).values())


def test_when_the_package_is_back_the_job_is_done(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    engine.dispatcher.hold_unknown()
    install_package(engine, job)
    assert engine.dispatcher.hold_unknown() == 0
    assert engine.dispatcher.publish_ready() == 1
    engine.finish(engine.post.sent[-1])
    assert engine.service.get_job(job.id).state is JobState.COMPLETED


def test_waiting_job_can_be_cancelled_and_deleted(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    engine.dispatcher.hold_unknown()
    assert engine.service.cancel_job(job.id).state is JobState.CANCELLED
    engine.service.delete_job(job.id)
    assert engine.dispatcher.hold_unknown() == 0


def test_cancelled_job_is_retried_and_waits_again(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    engine.dispatcher.hold_unknown()
    engine.service.cancel_job(job.id)
    assert engine.service.retry_job(job.id).state is JobState.PENDING
    remove_package(engine, job, queue="sheep")
    assert engine.dispatcher.hold_unknown() == 1
    assert WAITING in message_of(engine, job)
    install_package(engine, job)
    assert engine.dispatcher.publish_ready() == 1
    engine.finish(engine.post.sent[-1])
    assert engine.service.get_job(job.id).state is JobState.COMPLETED


def test_run_follows_its_kind_to_another_queue(engine: Engine) -> None:
    """A later version of the package may have another queue for the step, and not the former."""
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    for table in ("run", "step"):
        rows.change(
            engine.database,
            f"UPDATE {table} SET queue = 'former' WHERE job_id = :id",
            id=job.id,
        )
    assert engine.dispatcher.hold_unknown() == 0
    assert WAITING not in message_of(engine, job)
    assert engine.dispatcher.publish_ready() == 1
    sent = engine.post.sent[-1]
    assert (sent.kind, sent.queue) == ("work", "default")
    engine.finish(sent)
    assert engine.service.get_job(job.id).state is JobState.COMPLETED
    (step,) = engine.service.get_job_status(job.id)["steps"]
    assert step["queue"] == "default"


def test_locked_job_is_left_for_the_next_sweep(engine: Engine) -> None:
    (job,) = engine.submit()
    remove_package(engine, job, queue="sheep")
    with rows.locked_job(engine.database, job):
        engine.dispatcher.hold_unknown()
    assert WAITING not in message_of(engine, job)
    rows.change(engine.database, "UPDATE run SET delay_ends = NULL")
    engine.dispatcher.hold_unknown()
    assert WAITING in message_of(engine, job)


def test_relay_that_knows_the_kind_sends_it(
    engine: Engine, own_redis: str, sink: EventPublisher
) -> None:
    """While packages are installed on one machine after the other."""
    (job,) = engine.submit(kind="urgent_work")
    engine.dispatcher.publish_ready()
    older = Dispatcher(
        engine.database,
        sink,
        RateLimiter(own_redis),
        catalog=_without_urgent_work(),
        window=16,
        send=engine.post.send,
        measure_depth=engine.post.measure_depth,
    )
    assert older.hold_unknown() == 1
    rows.change(engine.database, "UPDATE run SET delay_ends = NULL WHERE job_id = :id", id=job.id)
    assert engine.dispatcher.publish_ready() == 1


def _without_urgent_work() -> Catalog:
    steps = {name: kind for name, kind in CATALOG.steps.items() if name != "urgent_work"}
    return replace(CATALOG, steps=steps)


def test_worker_without_the_handler_fails_the_step_with_a_reason(bench: Bench) -> None:
    job = bench.service.create_job("fragile_work")
    assert bench.execute(job) is RunState.FAILED
    assert bench.execute(job) is RunState.FAILED
    ended = bench.service.get_job(job.id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "capability_unusable"
    assert "fragile_work" in ended.failure.message


def leave(context: StepContext) -> StepOutcome:
    sys.exit("enough")


class Panic(BaseException):
    """As a Rust extension raises."""


def panic(context: StepContext) -> StepOutcome:
    raise Panic("called unwrap on None")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (leave, "tried to end the worker (SystemExit: enough)"),
        (panic, "tried to end the worker (Panic: called unwrap on None)"),
        (lambda context: None, "returned a NoneType instead of a StepOutcome"),
        (lambda context: {"done": True}, "returned a dict instead of a StepOutcome"),
    ],
)
def test_handler_that_is_wrong_ends_its_attempt_and_not_the_worker(
    bench: Bench, handler: Handler, words: str
) -> None:
    job = bench.submit(handler)
    assert bench.execute(job) is RunState.FAILED
    query = text("SELECT failure FROM run WHERE job_id = :id AND failure IS NOT NULL")
    with bench.database.begin() as connection:
        failure = connection.execute(query, {"id": job.id}).scalar_one()
    assert failure["code"] == "output_invalid"
    assert words in failure["message"]
    assert "package" in failure["hint"]


def test_celerys_own_way_to_end_a_worker_is_not_a_failure(bench: Bench) -> None:
    def shut_down(context: StepContext) -> StepOutcome:
        raise WorkerShutdown(0)

    job = bench.submit(shut_down)
    with pytest.raises(WorkerShutdown):
        bench.execute(job)


@pytest.mark.parametrize("result", [{"at": object()}, {"x": float("nan")}, {"x": "\ud800"}, [1]])
def test_result_that_cannot_be_stored_fails_the_attempt(
    bench: Bench, result: Any, allow_error_logs: None
) -> None:
    job = bench.submit(lambda context: StepOutcome(result))
    assert bench.execute(job) is RunState.FAILED
