"""Many jobs as one: each is a job of its own, so that one failure stops no other.

A batch occupies no worker while they run: its second step looks at them, and is postponed while
some have not ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from cinemill.core.documents import JsonObject
from cinemill.core.job import Job
from cinemill.errors import InputRejected, NotFound, Postponed
from cinemill.jobs.results import ResultOf, Seconds, write_result
from cinemill.jobs.step import StepContext, StepOutcome

if TYPE_CHECKING:
    from cinemill.jobs.service import JobService

LOOK_SECONDS = 1.0
SELDOM_SECONDS = 10.0
MOST_CHILDREN = 1000
"""Jobs of one batch."""

Describe = Callable[[int, Job | None], JsonObject]
"""Returns what a batch says about its child of this number; None where that was deleted."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """A batch's children."""

    job_ids: tuple[str, ...]
    seconds: Seconds = None


SUBMITTED = ResultOf("submit", SubmitResult)


@dataclass(frozen=True, slots=True)
class Child:
    """A job to submit."""

    kind: str
    params: JsonObject
    asset_id: str | None = None


def name_children(job_id: str, count: int) -> list[str]:
    """Return the ids of a batch's children: the same each time that they are asked for."""
    return [str(uuid5(NAMESPACE_URL, f"{job_id}/{number}")) for number in range(count)]


def submit_children(
    service: JobService, context: StepContext, children: Sequence[Child]
) -> StepOutcome:
    """Submit the children, with the batch's owner and priority. Repeating it submits none twice.

    A child that can never work is a failed job. Result: ``job_ids``. Raises JobCancelled where the
    batch was cancelled meanwhile: those that were submitted are cancelled with it.
    """
    run = context.run
    ids = name_children(run.job_id, len(children))
    priority = service.get_job(run.job_id).priority
    for job_id, child in zip(ids, children, strict=True):
        stop = context.should_stop()
        if stop is not None:
            raise stop
        _submit(service, context, child, priority=priority, job_id=job_id)
    return StepOutcome(write_result(SubmitResult(tuple(ids))))


def _submit(
    service: JobService, context: StepContext, child: Child, *, priority: int, job_id: str
) -> None:
    """Submit one child. Raises JobCancelled where the batch was cancelled meanwhile."""
    owner = context.run.owner
    try:
        service.create_job(
            child.kind,
            owner=owner,
            params=child.params,
            asset_id=child.asset_id,
            priority=priority,
            job_id=job_id,
            parent_id=context.run.job_id,
        )
    except InputRejected as error:
        service.create_rejected(child.kind, error, owner=owner, job_id=job_id)


def collect_children(
    service: JobService, context: StepContext, describe: Describe, noun: str
) -> StepOutcome:
    """Collect what ``describe`` says of each child, in order, as ``results``.

    ``noun`` says what the children are, in the plural. Raises Postponed while one has not ended.
    """
    children = [_find_job(service, job_id) for job_id in context.result_of(SUBMITTED).job_ids]
    ended = [job for job in children if job is None or job.state.is_final]
    share = sum(1.0 if job is None else _progress(job) for job in children) / len(children)
    words = f"{len(ended)} of {len(children)} {noun} have finished"
    context.report(share, words)
    if len(ended) < len(children):
        raise Postponed(
            f"{words}.",
            delay_seconds=min(SELDOM_SECONDS, LOOK_SECONDS * context.run.attempt),
        )
    return StepOutcome({"results": [describe(*one) for one in enumerate(children)]})


def _find_job(service: JobService, job_id: str) -> Job | None:
    """Return None where the job was deleted meanwhile."""
    with suppress(NotFound):
        return service.get_job(job_id)
    return None


def _progress(job: Job) -> float:
    return 1.0 if job.state.is_final else job.progress / 100


def describe_end(job: Job, noun: str) -> JsonObject:
    """Return why a job did not complete: ``code``, ``message`` and ``hint``."""
    if job.failure is not None:
        failure = job.failure
        return {"code": failure.code, "message": failure.message, "hint": failure.hint}
    words = job.cancel_reason or f"The {noun} was cancelled."
    return {"code": "cancelled", "message": words, "hint": ""}
