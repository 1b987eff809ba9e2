"""A cancel reaches every job below the cancelled one, whatever dies or is locked meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from tests.integration.jobs.bench import Bench
from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.capabilities.render.plan import BatchParameters, name_children
from cinemill.core.job import Job, JobState
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import Conflict, JobCancelled, NotFound
from cinemill.jobs import child_jobs
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.batch import Child, submit_children
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import recovery, runs

CANCELLED, PENDING = JobState.CANCELLED, JobState.PENDING


def submit_family(engine: Engine) -> tuple[Job, list[str], list[str]]:
    """A batch, two batches that it submitted, and three jobs of each of those."""
    root = engine.service.create_job("work")
    middle = [engine.service.create_job("work", parent_id=root.id).id for _ in range(2)]
    leaves = [
        engine.service.create_job("work", parent_id=one).id for one in middle for _ in range(3)
    ]
    return root, middle, leaves


def submit_named(engine: Engine) -> tuple[Job, list[str], list[str]]:
    """A batch whose rows do not say whose children they are, as an earlier version wrote them."""
    batch = engine.service.create_job("batch_render", params={"jobs": [{}] * 4})
    children = name_children(batch.id, read_parameters(BatchParameters, batch.params))
    for child in children:
        engine.service.create_job("work", job_id=child)
    return batch, [], children


FAMILIES: list[Callable[[Engine], tuple[Job, list[str], list[str]]]] = [
    submit_family,
    submit_named,
]


def states(engine: Engine, job_ids: list[str]) -> set[JobState]:
    return {engine.service.get_job(job_id).state for job_id in job_ids}


@pytest.mark.parametrize("submit", FAMILIES)
def test_cancel_reaches_every_job_below(
    engine: Engine, submit: Callable[[Engine], tuple[Job, list[str], list[str]]]
) -> None:
    root, middle, leaves = submit(engine)
    other = engine.service.create_job("work").id
    engine.service.cancel_job(root.id, "wrong films")
    assert states(engine, [root.id, *middle, *leaves]) == {CANCELLED}
    assert engine.service.get_job(leaves[-1]).cancel_reason == "wrong films"
    assert states(engine, [other]) == {PENDING}


@pytest.mark.parametrize("submit", FAMILIES)
def test_sweeper_goes_on_where_the_process_died_after_the_parents_cancel(
    engine: Engine, submit: Callable[[Engine], tuple[Job, list[str], list[str]]]
) -> None:
    root, middle, leaves = submit(engine)
    with engine.database.begin() as connection:
        recovery.request_cancel(connection, root.id, "wrong films")
    assert states(engine, leaves) == {PENDING}
    engine.dispatcher.finish_cancels()
    assert states(engine, [root.id, *middle, *leaves]) == {CANCELLED}


@pytest.mark.parametrize("submit", FAMILIES)
def test_second_cancel_finishes_what_the_first_began(
    engine: Engine, submit: Callable[[Engine], tuple[Job, list[str], list[str]]]
) -> None:
    root, middle, leaves = submit(engine)
    with engine.database.begin() as connection:
        recovery.request_cancel(connection, root.id, "wrong films")
    again = engine.service.cancel_job(root.id, "another reason")
    assert (again.state, again.cancel_reason) == (CANCELLED, "wrong films")
    assert states(engine, [root.id, *middle, *leaves]) == {CANCELLED}
    assert engine.service.cancel_job(root.id).state is CANCELLED


def test_process_that_dies_after_the_mark_leaves_nothing_that_can_begin(engine: Engine) -> None:
    """The API's transaction has ended; it dies before it has cancelled one child."""
    root, middle, leaves = submit_family(engine)
    with engine.database.begin() as connection:
        child_jobs.cancel(CATALOG, connection, root.id, "wrong films")
    engine.dispatcher.publish_ready()
    assert [rows.claim(engine.database, ready.id) for ready in engine.post.sent] == [None] * 8
    engine.dispatcher.finish_cancels()
    assert states(engine, [*middle, *leaves]) == {CANCELLED}


def test_child_that_is_locked_follows_as_soon_as_it_is_free(engine: Engine) -> None:
    root, middle, leaves = submit_family(engine)
    with rows.locked_job(engine.database, engine.service.get_job(middle[0])):
        engine.service.cancel_job(root.id)
        assert states(engine, [middle[0]]) == {PENDING}
        assert states(engine, [root.id, middle[1], *leaves]) == {CANCELLED}
        engine.dispatcher.finish_cancels()
    engine.dispatcher.finish_cancels()
    assert states(engine, middle) == {CANCELLED}


class CountedDatabase(Database):
    """Counts the transactions that are begun."""

    begun = 0

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self.begun += 1
        with super().begin() as connection:
            yield connection


def test_server_that_is_gone_is_not_asked_for_each_child() -> None:
    """Each took the time of a connection: an hour for a batch of a thousand."""
    away = CountedDatabase("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    child_jobs.finish_cancels(away, [str(uuid4()) for _ in range(5)])
    assert away.begun == 1
    away.close()


def test_running_child_is_told_and_ends_as_cancelled(engine: Engine) -> None:
    root = engine.service.create_job("work")
    child = engine.service.create_job("work", parent_id=root.id)
    run = rows.start(engine.database, child)
    engine.service.cancel_job(root.id)
    assert engine.service.get_job(child.id).cancel_requested
    assert states(engine, [child.id]) == {JobState.RUNNING}
    with engine.database.begin() as connection:
        runs.confirm_cancel(connection, run)
    assert states(engine, [child.id]) == {CANCELLED}


def test_jobs_below_one_that_ended_are_cancelled_too(engine: Engine) -> None:
    root, middle, leaves = submit_family(engine)
    for one in middle:
        rows.mark_dead(engine.database, rows.start(engine.database, engine.service.get_job(one)))
    engine.service.cancel_job(root.id)
    assert states(engine, middle) == {JobState.FAILED}
    assert states(engine, leaves) == {CANCELLED}


def test_cancel_of_a_failed_batch_stops_what_goes_on_below_it(engine: Engine) -> None:
    root = engine.service.create_job("work")
    child = engine.service.create_job("work", parent_id=root.id)
    rows.mark_dead(engine.database, rows.start(engine.database, root))
    assert engine.service.cancel_job(root.id).state is JobState.FAILED
    assert states(engine, [child.id]) == {CANCELLED}
    with pytest.raises(Conflict) as refused:
        engine.service.cancel_job(root.id)
    assert refused.value.code == "job_ended"


def test_cancel_of_a_failed_batch_whose_only_child_is_locked_is_accepted(engine: Engine) -> None:
    root = engine.service.create_job("work")
    child = engine.service.create_job("work", parent_id=root.id)
    rows.mark_dead(engine.database, rows.start(engine.database, root))
    with rows.locked_job(engine.database, child):
        assert engine.service.cancel_job(root.id).state is JobState.FAILED
    engine.dispatcher.finish_cancels()
    assert states(engine, [child.id]) == {CANCELLED}


def test_no_child_is_added_to_a_cancelled_ended_or_deleted_job(engine: Engine) -> None:
    cancelled, failed, deleted = engine.submit(3)
    engine.service.cancel_job(cancelled.id)
    rows.mark_dead(engine.database, rows.start(engine.database, failed))
    engine.service.stop_and_delete(deleted.id)
    for parent in (cancelled, failed, deleted):
        with pytest.raises(JobCancelled):
            engine.service.create_job("work", parent_id=parent.id)


def test_children_that_are_being_submitted_are_cancelled_or_never_exist(engine: Engine) -> None:
    """Many threads submit while the parent is cancelled: each child is stopped, or not there."""
    root = engine.service.create_job("work")
    rows.start(engine.database, root)
    began, ids = threading.Barrier(5), [str(uuid4()) for _ in range(4)]

    def submit(first: str) -> None:
        began.wait()
        for number in range(25):
            job_id = first if number == 0 else f"{first}/{number}"
            try:
                engine.service.create_job("work", job_id=job_id, parent_id=root.id)
            except JobCancelled:
                return

    with ThreadPoolExecutor(4) as threads:
        submitted = [threads.submit(submit, one) for one in ids]
        began.wait()
        wait_until(lambda: len(engine.service.list_jobs()) > 4)
        engine.service.cancel_job(root.id)
        for one in submitted:
            one.result()
    engine.dispatcher.finish_cancels()
    children = [job for job in engine.service.list_jobs(limit=200) if job.id != root.id]
    assert {job.state for job in children} == {CANCELLED}


def test_step_that_submits_children_stops_where_its_batch_is_cancelled(bench: Bench) -> None:
    batches: list[Job] = []

    def work(context: StepContext) -> StepOutcome:
        service = JobService(bench.database, catalog=CATALOG)
        submit_children(service, context, [Child("work", {})])
        service.cancel_job(batches[0].id)
        return submit_children(service, context, [Child("work", {})] * 3)

    batches.append(bench.submit(work))
    bench.execute(batches[0])
    service = JobService(bench.database, catalog=CATALOG)
    found = service.list_jobs()
    assert len(found) == 2
    assert {job.state for job in found} == {CANCELLED}


def test_retried_batch_is_not_cancelled_by_a_sweep_that_comes_late(engine: Engine) -> None:
    root, _, leaves = submit_named(engine)
    with engine.database.begin() as connection:
        recovery.request_cancel(connection, root.id, "wrong films")
    engine.service.retry_job(root.id)
    engine.dispatcher.finish_cancels()
    assert states(engine, [root.id, *leaves]) == {PENDING}


def test_child_that_a_person_retried_goes_on(engine: Engine) -> None:
    root, _, leaves = submit_named(engine)
    engine.service.cancel_job(root.id)
    engine.service.retry_job(leaves[0])
    engine.dispatcher.finish_cancels()
    engine.service.delete_job(root.id)
    assert states(engine, leaves[:1]) == {PENDING}
    assert states(engine, leaves[1:]) == {CANCELLED}


@pytest.mark.parametrize("submit", FAMILIES)
def test_deleting_a_batch_whose_cancel_was_cut_short_cancels_the_rest(
    engine: Engine, submit: Callable[[Engine], tuple[Job, list[str], list[str]]]
) -> None:
    root, middle, leaves = submit(engine)
    with engine.database.begin() as connection:
        recovery.request_cancel(connection, root.id, "wrong films")
    assert engine.service.delete_old_jobs(-1) == 0
    engine.service.stop_and_delete(root.id)
    assert states(engine, [*middle, *leaves]) == {CANCELLED}
    with pytest.raises(NotFound):
        engine.service.get_job(root.id)


def test_batch_is_not_deleted_before_its_cancel_has_reached_a_locked_child(
    engine: Engine,
) -> None:
    root, middle, _ = submit_family(engine)
    with rows.locked_job(engine.database, engine.service.get_job(middle[0])):
        with pytest.raises(Conflict) as refused:
            engine.service.stop_and_delete(root.id)
        assert refused.value.code == "job_not_ended"
    engine.service.stop_and_delete(root.id)
    assert states(engine, middle) == {CANCELLED}


def test_deleting_a_failed_batch_stops_what_goes_on_below_it(engine: Engine) -> None:
    root = engine.service.create_job("work")
    child = engine.service.create_job("work", parent_id=root.id)
    rows.mark_dead(engine.database, rows.start(engine.database, root))
    engine.service.stop_and_delete(root.id)
    assert states(engine, [child.id]) == {CANCELLED}
