"""Jobs and steps as JSON values, bounded in size whatever their rows hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cinemill.core.documents import is_bounded, reduce_document
from cinemill.core.job import Job, JobState, Progress, Step
from cinemill.jobs.catalog import LARGEST_TIMELINES_BYTES
from cinemill.jobs.estimate import show_seconds_left

LARGEST_SHOWN_BYTES = LARGEST_TIMELINES_BYTES
"""Of a member of one job: what an earlier version took may be larger."""


def describe_job(job: Job) -> dict[str, Any]:
    """Return a job as JSON values: times in ISO 8601, UTC; durations in seconds.

    ``clipped`` names the members that were left out: too large for a list of jobs, or such as
    cannot be answered at all (an earlier version may have written them).
    """
    params, result, clipped = _bound_documents(job)
    left = job.seconds_left if job.state is JobState.RUNNING else None
    elapsed = None
    if job.started_at is not None:
        elapsed = ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()
    return {
        "job_id": job.id,
        "task_id": job.id,
        "celery_task_id": job.celery_task_id,
        "kind": job.kind,
        "owner": job.owner,
        "status": job.state.value,
        "priority": job.priority,
        "asset_id": job.asset_id,
        "filename": job.filename,
        "params": params,
        "progress": round(job.progress, 1),
        "stage": job.stage,
        "message": job.message,
        "result": result,
        "clipped": clipped,
        "error": job.failure.to_json() if job.failure else None,
        "cancel_requested": job.cancel_requested,
        "cancel_reason": job.cancel_reason,
        "worker": job.worker,
        "queued_at": job.queued_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "duration_seconds": elapsed,
        "seconds_left": None if left is None else show_seconds_left(left),
    }


def _bound_documents(job: Job) -> tuple[dict[str, Any], Mapping[str, Any] | None, list[str]]:
    params: dict[str, Any] = dict(job.params)
    result, clipped = job.result, list(job.clipped)
    if not is_bounded(params, most_bytes=LARGEST_SHOWN_BYTES):
        params = reduce_document(params)
        clipped.append("params")
    if not is_bounded(result, most_bytes=LARGEST_SHOWN_BYTES):
        result = reduce_document(result)
        clipped.append("result")
    return params, result, sorted(set(clipped))


def describe_step(step: Step) -> dict[str, Any]:
    """Return a step as JSON values."""
    return {
        "step_id": step.id,
        "name": step.name,
        "kind": step.kind,
        "queue": step.queue,
        "status": step.state.value,
        "attempts": step.attempts,
        "failures": step.failures,
        "crashes": step.crashes,
        "peak_memory_bytes": step.peak_memory_bytes,
        "error": step.failure.to_json() if step.failure else None,
    }


def describe_change(job: Job) -> Progress:
    """Return the event of a job that is waiting or has ended.

    The words of ``status`` are a contract.
    """
    message = job.message if job.state is not JobState.FAILED or job.failure is None else ""
    return Progress(
        job_id=job.id,
        job_kind=job.kind,
        status=job.state.value,
        progress=100.0 if job.state is JobState.COMPLETED else job.progress,
        message=message or (job.failure.message if job.failure else ""),
        stage=job.stage,
        seconds_left=0.0 if job.state.is_final else None,
    )
