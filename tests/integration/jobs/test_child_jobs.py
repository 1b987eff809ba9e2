"""A batch and the renders that it submits, when a person retries, cancels or deletes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.storage import rows

from cinemill.capabilities.render.plan import BatchParameters, name_children
from cinemill.core.job import Job, JobState
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import Conflict, InputRejected, NotFound
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database

RETRIES: list[Callable[[JobService, Job], object]] = [
    lambda service, batch: service.retry_job(batch.id),
    lambda service, batch: service.retry_failed(),
    lambda service, batch: service.retry_failed(kind="batch_render"),
    lambda service, batch: service.redrive(
        next(dead.step_id for dead in service.list_dead() if dead.job_id == batch.id)
    ),
]


def submit_batch(service: JobService, size: int) -> tuple[Job, list[str]]:
    """A batch that has got so far as to submit its children, and their ids."""
    batch = service.create_job("batch_render", params={"jobs": [{}] * size})
    children = name_children(batch.id, read_parameters(BatchParameters, batch.params))
    for child in children:
        service.create_job("work", job_id=child)
    return batch, children


def states(service: JobService, job_ids: list[str]) -> list[JobState]:
    return [service.get_job(job_id).state for job_id in job_ids]


def test_cancelled_batch_is_retried_with_its_renders(service: JobService) -> None:
    batch, children = submit_batch(service, 3)
    service.cancel_job(batch.id, "wrong films")
    assert states(service, [batch.id, *children]) == [JobState.CANCELLED] * 4
    service.retry_job(batch.id)
    assert states(service, [batch.id, *children]) == [JobState.PENDING] * 4
    assert service.get_job(children[0]).cancel_reason is None


@pytest.mark.parametrize("retry", RETRIES)
def test_only_renders_that_did_not_complete_are_retried(
    service: JobService, database: Database, retry: Callable[[JobService, Job], object]
) -> None:
    batch, children = submit_batch(service, 5)
    done, failed, cancelled, running, deleted = map(service.get_job, children)
    rows.succeed(database, rows.start(database, done), {"output_path": "film.mp4"})
    rows.mark_dead(database, rows.start(database, failed))
    service.cancel_job(cancelled.id)
    rows.start(database, running)
    service.stop_and_delete(deleted.id)
    rows.mark_dead(database, rows.start(database, batch, "submit"))
    retry(service, batch)
    assert states(service, [batch.id, *children[:4]]) == [
        *(JobState.PENDING, JobState.COMPLETED, JobState.PENDING, JobState.PENDING),
        JobState.RUNNING,
    ]
    with pytest.raises(NotFound):
        service.get_job(deleted.id)


def test_render_that_was_refused_stays_refused(service: JobService) -> None:
    batch = service.create_job("batch_render", params={"jobs": [{}]})
    (child,) = name_children(batch.id, read_parameters(BatchParameters, batch.params))
    refusal = InputRejected("Clip 0: there is no film.", code="clip_source_missing")
    service.create_rejected("render_video", refusal, owner="local", job_id=child)
    service.cancel_job(batch.id)
    service.retry_job(batch.id)
    assert states(service, [batch.id, child]) == [JobState.PENDING, JobState.FAILED]


def test_batch_whose_render_is_being_stopped_is_retried_a_moment_later(
    service: JobService, database: Database
) -> None:
    batch, children = submit_batch(service, 2)
    rows.start(database, service.get_job(children[1]))
    service.cancel_job(batch.id)
    with pytest.raises(Conflict) as refused:
        service.retry_job(batch.id)
    assert refused.value.code == "job_not_ended"
    assert states(service, [batch.id, *children]) == [
        *(JobState.CANCELLED, JobState.CANCELLED, JobState.RUNNING)
    ]
