"""The job service of an upload backend: its names for what has other names here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cinemill.catalog import CATALOG
from cinemill.errors import InputRejected
from cinemill.jobs.service import JobService
from cinemill.worker.job_service import BackendJobService

VIDEO = "0196f3a4-4d2e-7c1b-9a52-6f1f6a0c1b2d"


class _Calls(JobService):
    """Notes what is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def create_job(self, kind: str, **options: Any) -> Any:
        self.calls.append((kind, options))

    def get_jobs_for_video(self, asset_id: str, *, limit: int = 100) -> list[Any]:
        self.calls.append((asset_id, limit))
        return []

    def get_pending_jobs(self, **options: Any) -> list[Any]:
        self.calls.append(("pending", options))
        return []


@pytest.mark.parametrize("video_id", [VIDEO, UUID(VIDEO), VIDEO.upper()])
def test_job_is_created_by_video_and_type(video_id: str | UUID) -> None:
    calls = _Calls()
    jobs = BackendJobService(calls, CATALOG)
    jobs.create_job(video_id=video_id, job_type="generate_thumbnail_task", timestamp_seconds=1)
    ((kind, options),) = calls.calls
    assert (kind, options["asset_id"]) == ("generate_thumbnail", VIDEO)
    assert options["params"] == {"timestamp_seconds": 1}


def test_jobs_are_listed_by_video_and_type() -> None:
    calls = _Calls()
    jobs = BackendJobService(calls, CATALOG)
    jobs.get_jobs_for_video(video_id=UUID(VIDEO))
    jobs.get_pending_jobs(job_type="generate_proxy_video", limit=5)
    assert calls.calls == [
        (VIDEO, 100),
        ("pending", {"kind": "generate_proxy_video", "limit": 5}),
    ]


def test_unknown_type_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputRejected) as refused:
        BackendJobService(_Calls(), CATALOG).get_pending_jobs(job_type="proxy_nonsense")
    assert refused.value.code == "job_kind_unknown"
    assert "generate_proxy_video" in refused.value.hint
