"""Values that several specifications here start from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cinemill.core.job import ClaimedRun, Job, JobState

JOB = Job(
    id="job-1",
    kind="process_video",
    owner="local",
    state=JobState.PENDING,
    priority=5,
    asset_id=None,
    params={},
    progress=0.0,
    stage="",
    message="",
    result=None,
    failure=None,
    cancel_reason=None,
    cancel_requested=False,
    celery_task_id="job-1",
    worker=None,
    queued_at=datetime(2024, 2, 29, 11, tzinfo=UTC),
    started_at=None,
    finished_at=None,
)

RUN = ClaimedRun(
    id="run-1",
    token="token-1",
    job_id="job-1",
    job_kind="process_video",
    step_id="step-1",
    step_name="prepare",
    step_kind="prepare_source",
    owner="local",
    asset_id="asset-1",
    attempt=1,
    params={},
    job_params={},
    inputs={},
)


def make_job(**changes: Any) -> Job:
    return replace(JOB, **changes)


def make_run(**changes: Any) -> ClaimedRun:
    return replace(RUN, **changes)
