"""What stock Celery offers besides sending: calls at once, stored groups, and results of links."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import TimeoutError
from celery.result import AsyncResult, GroupResult
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import load
from cinemill.core.job import JobState
from cinemill.errors import InputRejected
from cinemill.worker.app_factory import build_app
from cinemill.worker.result_backend import JobFailed

pytestmark = pytest.mark.usefixtures("own_videos")

STATS = "get_queue_stats"
METADATA = "extract_video_metadata"


@pytest.fixture(scope="module")
def clip(stack: Stack, films_folder: Path) -> str:
    return str(make_film(films_folder / "called.mp4", seconds=1))


@pytest.fixture
def client(stack: Stack) -> Iterator[Celery]:
    """Return a stock client as scripts have it, with a result backend."""
    url = stack.app.conf.broker_url
    app = Celery("elsewhere", broker=url, backend=url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    app.conf.task_default_queue = "default"
    yield app
    app.close()


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


@pytest.fixture
def other_app(stack: Stack) -> Iterator[Celery]:
    """Return the application as a second process has it."""
    app = build_app(load(stack.environment))
    yield app
    app.context.database.close()
    app.close()
    stack.app.set_current()


class TestGroups:
    def send(self, stack: Stack) -> GroupResult:
        return group([task(stack, STATS).si(), task(stack, STATS).si()]).apply_async()

    def test_saved_group_is_restored_in_another_process(
        self, stack: Stack, other_app: Celery
    ) -> None:
        sent = self.send(stack)
        sent.save()
        found = other_app.GroupResult.restore(sent.id)
        assert found == sent
        assert ["total" in one for one in found.get(timeout=PATIENCE_SECONDS)] == [True, True]

    def test_group_saved_twice_is_restored(self, stack: Stack) -> None:
        sent = self.send(stack)
        sent.save()
        sent.save()
        assert stack.app.GroupResult.restore(sent.id) == sent

    def test_deleted_group_is_not_restored(self, stack: Stack, other_app: Celery) -> None:
        sent = self.send(stack)
        sent.save()
        sent.delete()
        assert other_app.GroupResult.restore(sent.id) is None

    def test_group_that_was_never_saved_is_not_restored(self, stack: Stack) -> None:
        assert stack.app.GroupResult.restore("none") is None

    def test_group_is_joined_natively(self, stack: Stack) -> None:
        found = self.send(stack).join_native(timeout=PATIENCE_SECONDS)
        assert ["total" in one for one in found] == [True, True]

    def test_native_join_raises_the_failure(self, stack: Stack, films_folder: Path) -> None:
        missing = str(films_folder / "missing.mp4")
        sent = group([task(stack, STATS).si(), task(stack, METADATA).si(missing)]).apply_async()
        with pytest.raises(JobFailed, match="There is no video at"):
            sent.join_native(timeout=PATIENCE_SECONDS)

    def test_native_join_ends_at_its_timeout(self, stack: Stack) -> None:
        later = task(stack, STATS).si().set(countdown=3600)
        sent = group([later, later.clone()]).apply_async()
        with pytest.raises(TimeoutError):
            sent.join_native(timeout=0.2)
        sent.revoke()


class TestChildren:
    def test_result_of_a_link_is_a_child(self, stack: Stack, clip: str) -> None:
        link = task(stack, METADATA).s()
        first = task(stack, METADATA).apply_async(args=[clip], link=link)
        found = first.get(timeout=PATIENCE_SECONDS)
        (child,) = first.children
        assert child.get(timeout=PATIENCE_SECONDS)["asset_id"] == found["asset_id"]

    def test_all_of_a_chain_are_collected_from_its_first(self, stack: Stack) -> None:
        last = chain(*(task(stack, STATS).si() for _ in range(3))).apply_async()
        last.get(timeout=PATIENCE_SECONDS)
        first = last.parent.parent
        collected = [result.id for result, _ in first.collect()]
        assert collected == [first.id, last.parent.id, last.id]

    def test_body_of_a_chord_and_an_error_link_are_no_children(self, stack: Stack) -> None:
        stats = task(stack, STATS)
        header = stats.si().set(link_error=stats.si())
        body = chord([header])(stats.si())
        body.get(timeout=PATIENCE_SECONDS)
        (one,) = body.parent.results
        assert (one.children, body.children) == ([], [])

    def test_stock_client_finds_the_result_of_a_link(self, stack: Stack, client: Celery) -> None:
        link = client.signature(STATS, immutable=True)
        sent = client.send_task(STATS, link=link)
        sent.get(timeout=PATIENCE_SECONDS)
        (child,) = sent.children
        assert isinstance(child, AsyncResult)
        wait_until(lambda: child.state == "SUCCESS")
