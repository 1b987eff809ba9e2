"""Many videos as one job: each is ingested by a job of its own."""

from __future__ import annotations

from cinemill.capabilities.ingest.plan import VideoBatchParameters
from cinemill.core.documents import JsonObject
from cinemill.core.files.asset_ids import read_asset_id
from cinemill.core.job import Job, JobState
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.batch import Child, collect_children, describe_end, submit_children
from cinemill.storage.findings.ingestions import PREPARING_KIND

SHOWN = ("asset_id", "profile", "findings", "passages", "gaps")
"""Of a video's result. Its files are left out: a batch may have a thousand videos."""


def submit_videos(service: JobService, context: StepContext) -> StepOutcome:
    """Submit an ingestion of each video, with the batch's owner and priority.

    Repeating it submits none twice. Result: ``job_ids``.
    """
    params = context.job_parameters(VideoBatchParameters)
    children = [_make_child(name, params) for name in params.assets]
    return submit_children(service, context, children)


def _make_child(name: str, params: VideoBatchParameters) -> Child:
    # Without the default: a repeated submission must be the same as one of an older version.
    wanted = {"best_effort": True} if params.best_effort else {}
    options = {"profile": params.profile.value, **wanted}
    if (asset_id := read_asset_id(name)) is not None:
        return Child(PREPARING_KIND, options, asset_id=asset_id)
    return Child(PREPARING_KIND, {"path": name, **options})


def collect_videos(service: JobService, context: StepContext) -> StepOutcome:
    """Collect what was found out about each video, in order.

    Result: ``results``, each with ``asset`` as it was given, ``job_id``, ``state`` (completed,
    failed, cancelled or deleted), and what the ingestion found out or the ``error`` that ended it.
    Raises Postponed while a video has not ended.
    """
    names = context.job_parameters(VideoBatchParameters).assets

    def describe(number: int, job: Job | None) -> JsonObject:
        return {"asset": names[number], **_describe(job)}

    return collect_children(service, context, describe, "videos")


def _describe(job: Job | None) -> JsonObject:
    if job is None:
        error = {"code": "job_not_found", "message": "Its job was deleted.", "hint": ""}
        return {"state": "deleted", "error": error}
    described = {"job_id": job.id, "state": job.state.value}
    if job.state is not JobState.COMPLETED:
        return {**described, "error": describe_end(job, "ingestion")}
    result = job.result or {}
    return {**described, **{name: result[name] for name in SHOWN if name in result}}
