"""Celery's signatures with our tasks: they are rows, and each of them ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain, chord, group, signature, xmap
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from sqlalchemy import text
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.job import Job, JobState
from cinemill.errors import InputRejected
from cinemill.storage.jobs.dead_messages import list_dead_messages
from cinemill.worker.result_backend import JobFailed

pytestmark = pytest.mark.usefixtures("own_videos")

STATS = "get_queue_stats"
CLEANUP = "cleanup_old_jobs"


@pytest.fixture(scope="module")
def clips(stack: Stack, films_folder: Path) -> list[str]:
    return [
        str(make_film(films_folder / f"canvas-{number}.mp4", seconds=1 + number / 10))
        for number in range(2)
    ]


@pytest.fixture
def client(stack: Stack) -> Iterator[Celery]:
    """Return a stock client with our prefix, which knows none of our tasks."""
    app = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    app.conf.task_default_queue = "default"
    yield app
    app.close()


def task(stack: Stack, name: str) -> Any:
    return stack.app.tasks[name]


def wait_for_end(stack: Stack, job_id: str) -> Job:
    wait_until(lambda: stack.service.get_job(job_id).state.is_final)
    return stack.service.get_job(job_id)


def is_revoked(stack: Stack, job_id: str) -> bool:
    return bool(stack.app.AsyncResult(job_id).state == "REVOKED")


def count_jobs(stack: Stack, kind: str) -> int:
    with stack.database.begin() as connection:
        query = text("SELECT count(*) FROM job WHERE kind = :kind")
        return int(connection.execute(query, {"kind": kind}).scalar_one())


class TestTimes:
    def test_countdown_begins_no_sooner(self, stack: Stack) -> None:
        sent = task(stack, STATS).apply_async(countdown=2)
        assert stack.service.get_job(sent.id).state is JobState.PENDING
        job = wait_for_end(stack, sent.id)
        assert job.state is JobState.COMPLETED
        assert job.started_at is not None
        assert (job.started_at - job.queued_at).total_seconds() >= 2

    def test_eta_begins_no_sooner(self, stack: Stack) -> None:
        eta = datetime.now(UTC) + timedelta(seconds=2)
        job = wait_for_end(stack, task(stack, STATS).apply_async(eta=eta).id)
        assert job.started_at is not None
        assert job.started_at >= eta - timedelta(milliseconds=50)

    def test_eta_that_passed_while_no_relay_ran_begins_at_once(self, stack: Stack) -> None:
        eta = datetime.now(UTC) + timedelta(hours=1)
        sent = task(stack, STATS).apply_async(eta=eta)
        with stack.database.begin() as connection:
            # As if the machine had been off: the time is past, and the engine's clock is not there.
            connection.execute(
                text("UPDATE job SET due_at = now() - interval '1 minute' WHERE id = :id"),
                {"id": sent.id},
            )
        assert wait_for_end(stack, sent.id).state is JobState.COMPLETED

    def test_eta_in_the_past_begins_at_once(self, stack: Stack) -> None:
        eta = datetime.now(UTC) - timedelta(hours=1)
        assert "total" in task(stack, STATS).apply_async(eta=eta).get(PATIENCE_SECONDS)

    def test_job_that_does_not_begin_in_time_is_revoked(self, stack: Stack) -> None:
        sent = task(stack, STATS).apply_async(countdown=3600, expires=0.5)
        with pytest.raises(TaskRevokedError, match="expires"):
            sent.get(timeout=PATIENCE_SECONDS)
        assert stack.service.get_job(sent.id).state is JobState.CANCELLED

    def test_job_that_begins_in_time_completes(self, stack: Stack) -> None:
        sent = task(stack, STATS).apply_async(expires=3600)
        assert "total" in sent.get(timeout=PATIENCE_SECONDS)

    def test_expired_job_can_be_retried(self, stack: Stack) -> None:
        sent = task(stack, STATS).apply_async(countdown=3600, expires=0)
        wait_for_end(stack, sent.id)
        stack.service.retry_job(sent.id)
        assert wait_for_end(stack, sent.id).state is JobState.COMPLETED

    @pytest.mark.parametrize("option", ["countdown", "eta", "expires"])
    def test_what_is_no_time_is_refused(self, stack: Stack, option: str) -> None:
        with pytest.raises(InputRejected, match=option):
            task(stack, STATS).apply_async(**{option: "soon"})

    def test_stock_client_sends_them(self, stack: Stack, client: Celery) -> None:
        sent = client.send_task(STATS, countdown=2, expires=3600)
        began = time.monotonic()
        assert "total" in stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - began >= 1

    def test_message_that_expired_before_it_was_adopted_is_revoked(
        self, stack: Stack, client: Celery
    ) -> None:
        sent = client.send_task(STATS, expires=datetime.now(UTC) - timedelta(days=1))
        wait_until(lambda: stack.app.AsyncResult(sent.id).state == "REVOKED")

    def test_job_of_a_stock_client_expires(self, stack: Stack, client: Celery) -> None:
        sent = client.send_task(STATS, countdown=3600, expires=5)
        wait_until(lambda: stack.app.AsyncResult(sent.id).state == "REVOKED")


class TestChain:
    def test_result_is_passed_as_the_video_that_it_is_about(
        self, stack: Stack, clips: list[str]
    ) -> None:
        steps = chain(
            task(stack, "extract_video_metadata").s(clips[0]),
            task(stack, "generate_thumbnail").s(0.5),
        )
        result = steps.apply_async()
        found = result.get(timeout=PATIENCE_SECONDS)
        assert found["timestamp_seconds"] == 0.5
        assert found["asset_id"] == result.parent.get(timeout=PATIENCE_SECONDS)["asset_id"]

    def test_pipe_and_immutable_signatures(self, stack: Stack, clips: list[str]) -> None:
        stats, preview = task(stack, STATS), task(stack, "generate_preview")
        result = (stats.si() | preview.si(clips[0], num_frames=2) | stats.si()).delay()
        assert "total" in result.get(timeout=PATIENCE_SECONDS)
        assert len(result.parent.get()["preview_paths"]) == 2

    def test_made_file_is_what_comes_next(self, stack: Stack, clips: list[str]) -> None:
        options = {"codec": "h264", "height": 90}
        result = (
            task(stack, "transcode").s(clips[0], options)
            | task(stack, "extract_video_metadata").s()
        ).delay()
        assert result.get(timeout=PATIENCE_SECONDS)["height"] == 90

    def test_every_job_of_it_is_there_from_the_start(self, stack: Stack) -> None:
        stats = task(stack, STATS)
        result = chain(stats.si().set(countdown=3600), stats.si(), stats.si()).apply_async()
        waiting = stack.service.get_job(result.id)
        assert (waiting.state, waiting.message) == (JobState.PENDING, "Waiting for another job")
        stack.service.cancel_job(result.parent.parent.id)
        assert wait_for_end(stack, result.id).state is JobState.CANCELLED

    def test_what_follows_a_failure_is_cancelled_with_the_reason(
        self, stack: Stack, films_folder: Path
    ) -> None:
        missing = str(films_folder / "missing.mp4")
        result = (
            task(stack, "extract_video_metadata").s(missing)
            | task(stack, "generate_proxy_video").s()
        ).delay()
        # Whichever comes first: that of the first job, or that of the last with its reason.
        with pytest.raises((JobFailed, TaskRevokedError), match="There is no video at"):
            result.get(timeout=PATIENCE_SECONDS)
        job = wait_for_end(stack, result.id)
        assert job.state is JobState.CANCELLED
        assert result.parent.id in (job.cancel_reason or "")
        assert "failed" in (job.cancel_reason or "")

    def test_job_that_cannot_be_made_of_the_result_fails(self, stack: Stack) -> None:
        result = (task(stack, STATS).s() | task(stack, STATS).s()).delay()
        with pytest.raises(JobFailed, match=r"takes no result") as failed:
            result.get(timeout=PATIENCE_SECONDS, propagate=True)
        assert ".si()" in failed.value.hint

    def test_stock_client_sends_a_chain(
        self, stack: Stack, client: Celery, clips: list[str]
    ) -> None:
        steps = chain(
            signature("extract_video_metadata", args=[clips[1]], app=client),
            signature("generate_thumbnail_task", args=[0.5], app=client),
            app=client,
        )
        sent = steps.apply_async(queue="default")
        found = stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
        assert found["timestamp_seconds"] == 0.5

    def test_same_message_twice_is_one_chain(self, stack: Stack) -> None:
        stats, task_id = task(stack, STATS), str(uuid4())
        before = count_jobs(stack, STATS)
        for _ in range(2):
            stats.apply_async(task_id=task_id, link=[stats.si()])
        wait_for_end(stack, task_id)
        assert count_jobs(stack, STATS) == before + 2

    def test_chain_that_begins_with_a_mistake_ends_as_a_whole(
        self, stack: Stack, client: Celery
    ) -> None:
        steps = chain(
            signature(STATS, kwargs={"nonsense": 1}, app=client),
            signature(STATS, immutable=True, app=client),
            app=client,
        )
        sent = steps.apply_async(queue="default")

        def state() -> bool:
            return bool(stack.app.AsyncResult(sent.id).state == "REVOKED")

        wait_until(state)


class TestGroupAndChord:
    def test_group_is_jobs(self, stack: Stack, clips: list[str]) -> None:
        metadata = task(stack, "extract_video_metadata")
        result = group(metadata.s(clip) for clip in clips).apply_async()
        found = result.get(timeout=PATIENCE_SECONDS)
        assert len({one["asset_id"] for one in found}) == 2
        assert result.successful()

    def test_chord_passes_all_results_in_their_order(self, stack: Stack, clips: list[str]) -> None:
        metadata = task(stack, "extract_video_metadata")
        result = chord([metadata.s(clip) for clip in clips])(
            task(stack, "batch_process_videos").s("quick")
        )
        found = result.get(timeout=PATIENCE_SECONDS)["results"]
        expected = [one["asset_id"] for one in result.parent.get(timeout=PATIENCE_SECONDS)]
        assert [one["asset"] for one in found] == expected

    def test_graphs_of_a_header_are_merged(self, stack: Stack, clips: list[str]) -> None:
        metadata, merge = (
            task(stack, name) for name in ("extract_video_metadata", "merge_knowledge_graphs")
        )
        result = chord([metadata.s(clip) for clip in clips])(merge.s())
        assert result.get(timeout=PATIENCE_SECONDS)["suggestions"] == []
        assets = [one["asset_id"] for one in result.parent.get(timeout=PATIENCE_SECONDS)]
        assert stack.service.get_job(result.id).params["assets"] == assets

    def test_group_in_a_chain_becomes_a_chord(self, stack: Stack, clips: list[str]) -> None:
        metadata, stats = task(stack, "extract_video_metadata"), task(stack, STATS)
        result = (stats.si() | group(metadata.si(clip) for clip in clips) | stats.si()).delay()
        assert "total" in result.get(timeout=PATIENCE_SECONDS)

    def test_group_at_the_beginning_of_a_chain(self, stack: Stack, clips: list[str]) -> None:
        metadata, stats = task(stack, "extract_video_metadata"), task(stack, STATS)
        result = (group(metadata.s(clip) for clip in clips) | stats.si()).delay()
        assert "total" in result.get(timeout=PATIENCE_SECONDS)

    @pytest.mark.parametrize("how", ["map", "starmap", "chunks"])
    def test_items_of_a_loop_are_jobs(self, stack: Stack, how: str) -> None:
        cleanup = task(stack, CLEANUP)
        before = count_jobs(stack, CLEANUP)
        several = {
            "map": lambda: cleanup.map([30, 31]),
            "starmap": lambda: cleanup.starmap([[30], [31]]),
            "chunks": lambda: cleanup.chunks(([days] for days in (30, 31)), 2),
        }[how]()
        found = several.apply_async().get(timeout=PATIENCE_SECONDS)
        assert len(found) == len({one["job_id"] for one in found}) == 2
        assert count_jobs(stack, CLEANUP) == before + 2

    def test_loop_of_a_stock_client_leaves_a_dead_letter_and_no_job(
        self, stack: Stack, client: Celery
    ) -> None:
        before = count_jobs(stack, CLEANUP)
        sent = xmap(signature(CLEANUP, app=client), [30, 31], app=client).apply_async(
            queue="default"
        )

        def is_kept() -> bool:
            with stack.database.begin() as connection:
                return any(
                    message.task_id == sent.id and "group" in message.failure.hint
                    for message in list_dead_messages(connection)
                )

        wait_until(is_kept)
        assert count_jobs(stack, CLEANUP) == before

    def test_body_of_a_header_that_failed_is_cancelled(
        self, stack: Stack, clips: list[str], films_folder: Path
    ) -> None:
        metadata = task(stack, "extract_video_metadata")
        missing = str(films_folder / "missing.mp4")
        result = chord([metadata.s(clips[0]), metadata.s(missing)])(task(stack, STATS).si())
        assert wait_for_end(stack, result.id).state is JobState.CANCELLED

    def test_refused_member_of_a_group_fails_and_leaves_the_others(
        self, stack: Stack, clips: list[str]
    ) -> None:
        metadata, stats = task(stack, "extract_video_metadata"), task(stack, STATS)
        one = chain(stats.si(nonsense=1), stats.si())
        result = group(metadata.s(clips[0]), stats.s(nonsense=1), one).apply_async()
        good, refused, last = (wait_for_end(stack, one.id) for one in result.results)
        assert good.state is JobState.COMPLETED
        assert refused.failure is not None
        assert (refused.state, refused.failure.code) == (JobState.FAILED, "params_invalid")
        assert last.state is JobState.CANCELLED

    def test_body_of_a_header_that_was_refused_is_cancelled(
        self, stack: Stack, clips: list[str]
    ) -> None:
        metadata, stats = task(stack, "extract_video_metadata"), task(stack, STATS)
        result = chord([metadata.s(clips[0]), stats.s(nonsense=1)])(stats.si())
        assert wait_for_end(stack, result.id).state is JobState.CANCELLED

    def test_refused_call_that_is_no_member_is_still_refused(self, stack: Stack) -> None:
        before = count_jobs(stack, STATS)
        stats = task(stack, STATS)
        for call in (stats.s(nonsense=1), chain(stats.s(nonsense=1), stats.si())):
            with pytest.raises(InputRejected):
                call.apply_async()
        assert count_jobs(stack, STATS) == before

    def test_body_of_a_stock_clients_chord_ends(self, stack: Stack, client: Celery) -> None:
        client.conf.result_backend = "cache+memory://"
        begins, ends = str(uuid4()), str(uuid4())
        stats = signature(STATS, immutable=True, app=client)
        notify = signature("notify_somebody", immutable=True, app=client)
        body = chain(
            stats.clone().set(task_id=begins),
            notify,
            stats.clone().set(task_id=ends),
            app=client,
        )
        chord([stats.clone(), stats.clone()], body, app=client).apply_async(queue="default")
        for job_id in (begins, ends):
            wait_until(partial(is_revoked, stack, job_id))

    def test_what_follows_a_task_of_others_ends(self, stack: Stack, client: Celery) -> None:
        stats = signature(STATS, immutable=True, app=client)
        notify = signature("notify_somebody", immutable=True, app=client)
        for first in (
            [notify, stats.clone()],
            [stats.clone(), notify, stats.clone()],
            [stats.clone(kwargs={"nonsense": 1}), notify, stats.clone()],
        ):
            sent = chain(*first, app=client).apply_async(queue="default")
            wait_until(partial(is_revoked, stack, sent.id))

    def test_stock_client_sends_a_group(
        self, stack: Stack, client: Celery, clips: list[str]
    ) -> None:
        both = group(
            [signature("extract_video_metadata", args=[clip], app=client) for clip in clips],
            app=client,
        )
        sent = both.apply_async(queue="default")
        for one in sent.results:
            found = stack.app.AsyncResult(one.id).get(timeout=PATIENCE_SECONDS)
            assert found["width"] == 320

    def test_group_later_in_a_chain_of_a_stock_client(
        self, stack: Stack, client: Celery, clips: list[str]
    ) -> None:
        first = signature(STATS, immutable=True, app=client)
        both = group(
            [
                signature("extract_video_metadata", args=[clip], immutable=True, app=client)
                for clip in clips
            ],
            app=client,
        )
        sent = chain(first, both, app=client).apply_async(queue="default")
        for one in sent.results:
            assert stack.app.AsyncResult(one.id).get(timeout=PATIENCE_SECONDS)["width"] == 320


class TestLinks:
    def test_link_is_called_with_the_result(self, stack: Stack, clips: list[str]) -> None:
        thumbnail = task(stack, "generate_thumbnail").s(0.5)
        linked = thumbnail.freeze()
        sent = task(stack, "extract_video_metadata").apply_async(args=[clips[0]], link=thumbnail)
        asset_id = sent.get(timeout=PATIENCE_SECONDS)["asset_id"]
        found = stack.app.AsyncResult(linked.id).get(timeout=PATIENCE_SECONDS)
        assert found["asset_id"] == asset_id

    def test_link_error_is_called_if_it_fails(self, stack: Stack, films_folder: Path) -> None:
        fallback = task(stack, STATS).si()
        linked = fallback.freeze()
        task(stack, "extract_video_metadata").apply_async(
            args=[str(films_folder / "missing.mp4")], link_error=fallback
        )
        assert "total" in stack.app.AsyncResult(linked.id).get(timeout=PATIENCE_SECONDS)

    def test_link_error_is_cancelled_if_it_does_not(self, stack: Stack) -> None:
        fallback = task(stack, STATS).si()
        linked = fallback.freeze()
        task(stack, STATS).apply_async(link_error=fallback)
        job = wait_for_end(stack, linked.id)
        assert job.state is JobState.CANCELLED

    @pytest.mark.parametrize("option", ["link", "link_error"])
    def test_task_of_others_is_refused_with_what_to_call(self, stack: Stack, option: str) -> None:
        theirs = signature("notify_somebody", immutable=True, app=stack.app)
        with pytest.raises(InputRejected, match="notify_somebody") as refused:
            task(stack, STATS).apply_async(**{option: theirs})
        assert "result.get()" in refused.value.hint

    def test_link_error_with_arguments_of_celery_is_refused(self, stack: Stack) -> None:
        with pytest.raises(InputRejected, match="immutable") as refused:
            task(stack, STATS).apply_async(link_error=task(stack, STATS).s())
        assert ".si()" in refused.value.hint

    def test_nothing_is_submitted_if_something_is_refused(self, stack: Stack) -> None:
        before = count_jobs(stack, STATS)
        with pytest.raises(InputRejected):
            task(stack, STATS).apply_async(link=signature("notify_somebody", app=stack.app))
        assert count_jobs(stack, STATS) == before


def test_result_of_a_name_is_that_of_the_task(stack: Stack) -> None:
    sent = task(stack, "get_queue_stats_task").delay()
    assert "total" in AsyncResult(sent.id, app=stack.app).get(timeout=PATIENCE_SECONDS)


def test_retry_of_what_failed_goes_on_with_what_follows(stack: Stack, films_folder: Path) -> None:
    late = films_folder / "after-its-jobs.mp4"
    metadata, stats = task(stack, "extract_video_metadata"), task(stack, STATS)
    result = (metadata.si(str(late)) | stats.si() | stats.si()).delay()
    assert wait_for_end(stack, result.id).state is JobState.CANCELLED
    first = stack.service.get_job(result.parent.parent.id)
    assert first.state is JobState.FAILED
    make_film(late, seconds=1.3)
    stack.service.retry_job(first.id)
    assert wait_for_end(stack, result.id).state is JobState.COMPLETED
