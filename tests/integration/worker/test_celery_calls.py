"""What stock Celery offers besides sending: calls at once, stored groups, and results of links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import chain, group
from tests.films import make_film
from tests.integration.worker.conftest import Stack

from cinemill.core.job import JobState
from cinemill.errors import InputRejected
from cinemill.worker.result_backend import JobFailed

pytestmark = pytest.mark.usefixtures("own_videos")

STATS = "get_queue_stats"
METADATA = "extract_video_metadata"


@pytest.fixture(scope="module")
def clip(stack: Stack, films_folder: Path) -> str:
    return str(make_film(films_folder / "called.mp4", seconds=1))


def task(stack: Stack, name: str) -> Any:
    return stack.app.tasks[name]


class TestCallsAtOnce:
    def test_task_that_is_called_returns_its_result(self, stack: Stack, clip: str) -> None:
        found = task(stack, METADATA)(clip)
        assert stack.service.get_job(found["job_id"]).state is JobState.COMPLETED

    def test_signature_that_is_called_returns_its_result(self, stack: Stack) -> None:
        assert "total" in task(stack, STATS).s()()

    def test_failure_of_a_called_task_is_raised(self, stack: Stack, films_folder: Path) -> None:
        with pytest.raises(JobFailed, match="There is no video at"):
            task(stack, METADATA)(str(films_folder / "missing.mp4"))

    def test_applied_task_has_its_result(self, stack: Stack) -> None:
        done = task(stack, STATS).apply()
        assert (done.state, done.ready()) == ("SUCCESS", True)
        assert "total" in done.get()
        assert stack.service.get_job(done.id).state is JobState.COMPLETED

    def test_applied_task_that_fails_raises_where_its_result_is_asked_for(
        self, stack: Stack, films_folder: Path
    ) -> None:
        done = task(stack, METADATA).apply(args=[str(films_folder / "missing.mp4")])
        assert done.state == "FAILURE"
        with pytest.raises(JobFailed, match="There is no video at"):
            done.get()

    def test_applied_task_that_fails_raises_at_once_where_that_is_asked_for(
        self, stack: Stack, films_folder: Path
    ) -> None:
        missing = str(films_folder / "missing.mp4")
        with pytest.raises(JobFailed, match="There is no video at"):
            task(stack, METADATA).apply(args=[missing], throw=True)

    def test_refused_call_leaves_no_job(self, stack: Stack) -> None:
        before = len(stack.service.list_jobs(kind=METADATA, limit=500))
        with pytest.raises(InputRejected):
            task(stack, METADATA).apply(kwargs={"unknown": 1})
        assert len(stack.service.list_jobs(kind=METADATA, limit=500)) == before

    def test_applied_group_has_all_results(self, stack: Stack) -> None:
        done = group([task(stack, STATS).si(), task(stack, STATS).si()]).apply()
        assert ["total" in one for one in done.get()] == [True, True]

    def test_applied_chain_passes_results_on(self, stack: Stack, clip: str) -> None:
        done = chain(task(stack, METADATA).s(clip), task(stack, METADATA).s()).apply()
        assert done.get()["asset_id"] == done.parent.get()["asset_id"]
