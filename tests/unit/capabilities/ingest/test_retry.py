"""What a video with gaps is asked for again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cinemill.capabilities.ingest.retry import choose_parameters, choose_profile
from cinemill.core.job import Job, JobState
from cinemill.steps.ingestion.profiles import Profile


def make_ingestion(**params: Any) -> Job:
    return Job(
        id="j1",
        kind="process_video",
        owner="ann",
        state=JobState.COMPLETED,
        priority=5,
        asset_id="a1",
        params=params,
        progress=100.0,
        stage="done",
        message="Done",
        result=None,
        failure=None,
        cancel_reason=None,
        cancel_requested=False,
        celery_task_id="j1",
        worker=None,
        queued_at=datetime(2026, 1, 1, tzinfo=UTC),
        started_at=None,
        finished_at=None,
    )


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (["quick", "full", "standard"], Profile.FULL),
        (["quick"], Profile.QUICK),
        (["QUICK"], Profile.QUICK),
        ([None], Profile.STANDARD),
        ([], Profile.STANDARD),
    ],
)
def test_fullest_profile_that_was_asked_for_is_asked_for_again(
    asked: list[str | None], chosen: Profile
) -> None:
    """An ingestion by its own kind of job may name none, which is the standard one."""
    jobs = [make_ingestion(profile=one) if one else make_ingestion() for one in asked]
    assert choose_profile(jobs) is chosen


@pytest.mark.parametrize(("asked", "is_tolerant"), [([True, False], True), ([False, None], False)])
def test_best_is_made_of_a_damaged_video_again(asked: list[bool | None], is_tolerant: bool) -> None:
    jobs = [make_ingestion(profile="quick", best_effort=one) for one in asked]
    expected = {"profile": "quick"} | ({"best_effort": True} if is_tolerant else {})
    assert choose_parameters(jobs) == expected
