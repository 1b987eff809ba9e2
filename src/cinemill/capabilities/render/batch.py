"""Many renders as one job: each is a job of its own, so that one failure stops no other."""

from __future__ import annotations

from cinemill.capabilities.render.plan import BatchParameters
from cinemill.core.documents import JsonObject
from cinemill.core.job import Job, JobState
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.batch import Child, collect_children, describe_end, submit_children

CHILD_KIND = "render_video"


def submit_batch(service: JobService, context: StepContext) -> StepOutcome:
    """Submit a render for each timeline, with the batch's owner and priority.

    Repeating it submits none twice. Result: ``job_ids``.
    """
    timelines = context.job_parameters(BatchParameters).jobs
    children = [Child(CHILD_KIND, {"job": timeline}) for timeline in timelines]
    return submit_children(service, context, children)


def collect_batch(service: JobService, context: StepContext) -> StepOutcome:
    """Collect the results of all renders, in order. Raises Postponed while one has not ended.

    Result: ``results``: the render's own, or ``error`` with ``code``, ``message`` and ``hint``.
    """
    return collect_children(service, context, _answer, "renders")


def _answer(_number: int, job: Job | None) -> JsonObject:
    if job is None:
        message = "This render was deleted."
        return {"error": {"code": "job_not_found", "message": message, "hint": ""}}
    if job.state is JobState.COMPLETED:
        return {"job_id": job.id, **(job.result or {})}
    return {"job_id": job.id, "error": describe_end(job, "render")}
