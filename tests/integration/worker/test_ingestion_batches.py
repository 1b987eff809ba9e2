"""Batches of videos and retries of what failed, on a running worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests import films
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_ingestion import MODELS
from tests.model_files import link_models, without_model
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.capabilities.ingest.plan import VideoBatchParameters, name_children
from cinemill.core.job import DEFAULT_OWNER, Job, JobState
from cinemill.errors import Conflict, LockTimeout


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


def call(stack: Stack, task: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    sent = stack.app.tasks[task].apply_async(args=args, kwargs=kwargs)
    result: dict[str, Any] = sent.get(timeout=2 * PATIENCE_SECONDS)
    return result


def make_film(folder: Path, name: str) -> Path:
    """Create a silent video with bytes that no other has."""
    comment = ["-metadata", f"comment={uuid4()}"]
    return films.make_film(folder / name, seconds=2, has_sound=False, extra=comment)


def test_batch_has_a_result_for_each_video(stack: Stack, films_folder: Path) -> None:
    stored = call(stack, "process_video", str(make_film(films_folder, "stored.mp4")))["asset_id"]
    broken = films_folder / "broken.mp4"
    broken.write_text("This is no video.")
    fresh = make_film(films_folder, "fresh.mp4")
    given = [str(fresh), stored, str(broken), str(uuid4()), str(films_folder / "none.mp4")]
    results = call(stack, "batch_process_videos", given, "quick")["results"]
    assert [one["asset"] for one in results] == given
    assert [one["state"] for one in results] == ["completed"] * 2 + ["failed"] * 3
    for one in results[:2]:
        assert (one["profile"], one["findings"]["shot"], one["gaps"]) == ("quick", 1, [])
        assert "artifacts" not in one
    assert results[1]["asset_id"] == stored
    codes = [one["error"]["code"] for one in results[2:]]
    assert codes == ["media_unrecognized", "asset_not_found", "source_not_found"]
    assert all(one["error"]["hint"] for one in results[2:])


def test_cancelled_batch_cancels_its_ingestions(stack: Stack, films_folder: Path) -> None:
    paths = [str(make_film(films_folder, "one of many.mp4"))] * 30
    batch = stack.app.tasks["batch_process_videos"].apply_async(args=[paths])
    children = name_children(batch.id, VideoBatchParameters(assets=tuple(paths)))
    # So many that the last cannot have ended when all are submitted.
    wait_until(lambda: len(stack.service.list_jobs(id_prefix=children[-1])) == 1)
    wait_until(lambda: cancel(stack, batch.id, "wrong videos"))
    wait_until(lambda: all(stack.service.get_job(child).state.is_final for child in children))
    last = stack.service.get_job(children[-1])
    assert (last.state, last.cancel_reason) == (JobState.CANCELLED, "wrong videos")


def cancel(stack: Stack, job_id: str, reason: str) -> bool:
    """Cancel a job; returns whether no transaction of the worker held one of its children."""
    try:
        stack.service.cancel_job(job_id, reason)
    except LockTimeout:
        return False
    except Conflict:
        pass
    return True


def test_failed_ingestions_are_resumed_at_the_failed_step(stack: Stack, films_folder: Path) -> None:
    """Resuming by job, by batch, and of everything that failed for the owner."""
    late = films_folder / "after-its-batch.mp4"
    batch = stack.app.tasks["batch_process_videos"].apply_async(args=[[str(late)], "quick"])
    (failed,) = batch.get(timeout=PATIENCE_SECONDS)["results"]
    assert failed["error"]["code"] == "source_not_found"
    again = call(stack, "retry_failed_tasks", job=batch.id)
    assert (again["retried"], again["resumed"]) == (1, [failed["job_id"]])
    wait_until(lambda: stack.service.get_job(failed["job_id"]).state is JobState.FAILED)
    make_film(films_folder, late.name)
    again = call(stack, "retry_failed_tasks")
    assert failed["job_id"] in again["resumed"]
    wait_until(lambda: stack.service.get_job(failed["job_id"]).state.is_final)
    done = stack.service.get_job(failed["job_id"])
    assert done.state is JobState.COMPLETED
    assert call(stack, "retry_failed_tasks", job=done.id)["retried"] == 0


def test_video_with_a_gap_is_ingested_again(stack: Stack, films_folder: Path) -> None:
    film = make_film(films_folder, "gap.mp4")
    with without_model(stack.home / "models", "centerface"):
        (first,) = call(stack, "batch_process_videos", [str(film)])["results"]
    assert [gap["subject"] for gap in first["gaps"]] == ["face"]
    again = call(stack, "retry_failed_tasks", first["asset_id"])
    assert (again["retried"], again["resumed"], len(again["started"])) == (1, [], 1)
    wait_until(lambda: stack.service.get_job(again["started"][0]).state.is_final)
    second = stack.service.get_job(again["started"][0])
    assert second.state is JobState.COMPLETED
    assert second.params == {"profile": "standard"}
    assert (second.result or {})["gaps"] == []
    assert call(stack, "retry_failed_tasks", first["asset_id"])["retried"] == 0


def test_failed_job_of_another_owner_is_not_there_to_be_retried(
    stack: Stack, films_folder: Path
) -> None:
    """Named by its id, by its batch's, or by its video's."""
    missing = str(films_folder / "of another owner.mp4")
    batch = stack.service.create_job(
        "batch_process_videos", owner="another", params={"assets": [missing], "profile": "quick"}
    )
    wait_until(lambda: stack.service.get_job(batch.id).state.is_final)
    (child,) = name_children(batch.id, VideoBatchParameters(assets=(missing,)))
    film = make_film(films_folder, "others.mp4")
    with without_model(stack.home / "models", "centerface"):
        theirs = stack.service.create_job(
            "process_video", owner="another", params={"path": str(film), "profile": "standard"}
        )
        wait_until(lambda: stack.service.get_job(theirs.id).state.is_final)
    asset_id = (stack.service.get_job(theirs.id).result or {})["asset_id"]
    for named, code in [
        ({"job": child}, "job_not_found"),
        ({"job": batch.id}, "job_not_found"),
        ({"job": theirs.id}, "job_not_found"),
        ({"asset": asset_id}, "asset_not_found"),
    ]:
        failure = end_retry(stack, DEFAULT_OWNER, named).failure
        assert failure is not None, named
        assert failure.code == code
    assert stack.service.get_job(child).state is JobState.FAILED
    own = end_retry(stack, "another", {"asset": asset_id})
    assert own.state is JobState.COMPLETED, own.failure
    assert len((own.result or {})["started"]) == 1


def end_retry(stack: Stack, owner: str, params: dict[str, str]) -> Job:
    job = stack.service.create_job("retry_failed_tasks", owner=owner, params=params)
    wait_until(lambda: stack.service.get_job(job.id).state.is_final)
    return stack.service.get_job(job.id)


def test_old_jobs_are_deleted_after_the_days_that_a_script_passes(
    stack: Stack, films_folder: Path
) -> None:
    call(stack, "detect_shot_boundaries", str(make_film(films_folder, "old.mp4")))
    kept = call(stack, "cleanup_old_jobs", 30)
    assert kept["deleted_jobs"] == 0
    assert kept["cutoff"].endswith("+00:00")
    assert call(stack, "cleanup_old_jobs", days=0)["deleted_jobs"] >= 1
