"""Jobs as Celery's result metadata."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from celery.exceptions import TaskRevokedError
from tests.unit.jobs.samples import make_job

from cinemill.core.job import Failure, JobState
from cinemill.worker.result_backend import JobFailed, describe_result


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (JobState.PENDING, "PENDING"),
        (JobState.RUNNING, "PROGRESS"),
        (JobState.COMPLETED, "SUCCESS"),
        (JobState.FAILED, "FAILURE"),
        (JobState.CANCELLED, "REVOKED"),
    ],
)
def test_every_job_state_has_a_celery_state(state: JobState, word: str) -> None:
    described = describe_result(make_job(state=state))
    assert (described["task_id"], described["status"]) == ("job-1", word)


def test_completed_job_returns_its_result() -> None:
    ended = datetime(2024, 2, 29, 12, tzinfo=UTC)
    job = make_job(state=JobState.COMPLETED, result={"asset_id": "a"}, finished_at=ended)
    described = describe_result(job)
    assert described["result"] == {"asset_id": "a", "job_id": "job-1"}
    assert described["date_done"] == "2024-02-29T12:00:00+00:00"


def test_batch_job_returns_only_its_results() -> None:
    result = {"results": [{"output_path": "a.mp4"}], "seconds": 3}
    described = describe_result(
        make_job(state=JobState.COMPLETED, result=result), result_field="results"
    )
    assert described["result"] == [{"output_path": "a.mp4"}]


def test_failed_job_raises_its_code_and_log_tail() -> None:
    failure = Failure(
        "media_truncated",
        "The file is truncated: its end is missing.",
        "Export it.",
        "eof",
    )
    described = describe_result(make_job(state=JobState.FAILED, failure=failure))
    error = described["result"]
    assert isinstance(error, JobFailed)
    assert (error.code, error.message, error.hint) == (
        "media_truncated",
        "The file is truncated: its end is missing.",
        "Export it.",
    )
    assert described["traceback"] == "eof"


def test_cancelled_job_is_revoked_with_the_reason() -> None:
    described = describe_result(make_job(state=JobState.CANCELLED, cancel_reason="wrong film"))
    assert isinstance(described["result"], TaskRevokedError)
    assert "wrong film" in str(described["result"])


def test_running_job_returns_its_progress() -> None:
    job = make_job(state=JobState.RUNNING, progress=41.5, message="Encoding the preview copy")
    assert describe_result(job)["result"] == {
        "progress": 41.5,
        "message": "Encoding the preview copy",
    }
