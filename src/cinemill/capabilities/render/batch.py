"""Many renders as one job: each is a job of its own, so that one failure stops no other.

The batch occupies no worker while they run: its second step looks at them, and is postponed while
some have not ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cinemill.capabilities.render.plan import BatchParameters, name_children
from cinemill.capabilities.render.results import SUBMITTED, SubmitResult
from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, InputRejected, NotFound, Postponed
from cinemill.jobs.results import write_result
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome

CHILD_KIND = "render_video"
LOOK_SECONDS = 1.0
SELDOM_SECONDS = 10.0


def submit_batch(service: JobService, context: StepContext) -> StepOutcome:
    """Submit a render for each timeline, with the batch's owner and priority.

    Repeating it submits none twice. Result: ``job_ids``.
    """
    params = context.job_parameters(BatchParameters)
    children = name_children(context.run.job_id, params)
    try:
        _submit_all(service, context, children, params.jobs)
    finally:  # also where it was stopped half-way
        _stop_with_batch(service, context, children)
    return StepOutcome(write_result(SubmitResult(tuple(children))))


def _submit_all(
    service: JobService, context: StepContext, children: list[str], timelines: Sequence[Any]
) -> None:
    run = context.run
    priority = service.get_job(run.job_id).priority
    for child, timeline in zip(children, timelines, strict=True):
        stop = context.should_stop()
        if stop is not None:
            raise stop
        try:
            service.create_job(
                CHILD_KIND,
                owner=run.owner,
                params={"job": timeline},
                priority=priority,
                job_id=child,
            )
        except InputRejected as error:
            service.create_rejected(CHILD_KIND, error, owner=run.owner, job_id=child)


def _stop_with_batch(service: JobService, context: StepContext, children: list[str]) -> None:
    """Cancel the renders of a batch that was cancelled before they were there."""
    batch = service.get_job(context.run.job_id)
    if batch.cancel_requested:
        for child in children:
            with suppress(Conflict, NotFound):
                service.cancel_job(child, batch.cancel_reason or "")


def collect_batch(service: JobService, context: StepContext) -> StepOutcome:
    """Collect the results of all renders, in order. Raises Postponed while one has not ended.

    Result: ``results``: the render's own, or ``error`` with ``code`` and ``message``.
    """
    children = [_find_job(service, child) for child in context.result_of(SUBMITTED).job_ids]
    ended = [job for job in children if job is None or job.state.is_final]
    share = sum(1.0 if job is None else _progress(job) for job in children) / len(children)
    words = f"{len(ended)} of {len(children)} renders have finished"
    context.report(share, words)
    if len(ended) < len(children):
        raise Postponed(
            f"{words}.",
            delay_seconds=min(SELDOM_SECONDS, LOOK_SECONDS * context.run.attempt),
        )
    return StepOutcome({"results": [_answer(job) for job in children]})


def _find_job(service: JobService, job_id: str) -> Job | None:
    """Return None where the job was deleted meanwhile."""
    with suppress(NotFound):
        return service.get_job(job_id)
    return None


def _progress(job: Job) -> float:
    return 1.0 if job.state.is_final else job.progress / 100


def _answer(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {"error": {"code": "job_not_found", "message": "This render was deleted."}}
    if job.state is JobState.COMPLETED:
        return {"job_id": job.id, **(job.result or {})}
    if job.failure is not None:
        error = {"code": job.failure.code, "message": job.failure.message}
    else:
        error = {"code": "cancelled", "message": job.cancel_reason or "The render was cancelled."}
    return {"job_id": job.id, "error": error}
