"""Jobs of damaged videos: refused with stream and time, or made as far as they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import Failure, JobState
from cinemill.worker.result_backend import JobFailed

DAMAGE = {"start": 2.0, "end": 2.4}


@pytest.fixture(scope="module")
def damaged(films_folder: Path) -> Path:
    film = films.make_film(
        films_folder / "damaged.mkv", seconds=4, extra=["-g", "25"], picture="smptebars"
    )
    return films.spoil(film, stream=0, **DAMAGE)


def call(stack: Stack, kind: str, film: Path, **options: Any) -> dict[str, Any]:
    task = stack.app.tasks[kind].apply_async(args=[str(film)], kwargs=options)
    result: dict[str, Any] = task.get(timeout=PATIENCE_SECONDS)
    return result


def read_failure(stack: Stack, kind: str, film: Path, **options: Any) -> Failure:
    task = stack.app.tasks[kind].apply_async(args=[str(film)], kwargs=options)
    with pytest.raises(JobFailed):
        task.get(timeout=PATIENCE_SECONDS)
    job = stack.service.get_job(task.id)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    return job.failure


@pytest.fixture(scope="module")
def soundless(films_folder: Path) -> Path:
    """Return a video with audio of which nothing can be decoded."""
    film = films.make_film(films_folder / "soundless.mkv", seconds=3, picture="smptehdbars")
    return films.spoil(film, stream=1, start=-1.0, end=4.0)


KINDS = ("process_video", "transcode", "make_ladder")
PREPARING = (*KINDS, "generate_proxy_video")


@pytest.mark.parametrize("kind", PREPARING)
def test_refusal_names_stream_and_time(stack: Stack, damaged: Path, kind: str) -> None:
    failure = read_failure(stack, kind, damaged)
    assert failure.code in ("media_damaged", "media_truncated")
    assert "picture (stream 0) at 0:0" in failure.message
    assert "sound" not in failure.message
    assert "--best-effort" in failure.hint


@pytest.mark.parametrize("kind", PREPARING)
def test_best_effort_makes_it_and_lists_the_gaps(stack: Stack, damaged: Path, kind: str) -> None:
    result = call(stack, kind, damaged, best_effort=True)
    assert result["gaps"]
    for gap in result["gaps"]:
        assert gap["subject"] == "picture"
        assert gap["stream"] == 0
        assert 1.8 <= gap["start_seconds"] < gap["end_seconds"] <= 3.4
        assert gap["message"]
        assert gap["hint"]


@pytest.mark.parametrize("kind", KINDS)
def test_audio_that_is_lost_is_named_at_once_and_left_out(
    stack: Stack, soundless: Path, kind: str
) -> None:
    # As it is, audio is copied without being decoded.
    options = {"options": {"audio": "aac"}} if kind == "transcode" else {}
    failure = read_failure(stack, kind, soundless, **options)
    assert failure.code == "media_damaged"
    assert "sound (stream 1) at 0:00.0–0:03.0" in failure.message
    assert "picture" not in failure.message
    (gap,) = call(stack, kind, soundless, best_effort=True, **options)["gaps"]
    assert (gap["subject"], gap["stream"], gap["code"]) == ("sound", 1, "media_damaged")


def test_best_effort_is_reused_with_its_gaps_and_by_nobody_else(
    stack: Stack, damaged: Path
) -> None:
    first, second = (call(stack, "process_video", damaged, best_effort=True) for _ in range(2))
    assert second["reused"]
    assert second["gaps"] == first["gaps"] != []
    assert read_failure(stack, "process_video", damaged).code.startswith("media_")


def test_whole_video_shares_its_work_with_the_best_effort(stack: Stack, films_folder: Path) -> None:
    film = films.make_film(films_folder / "whole.mkv", seconds=1, picture="pal75bars")
    made = call(stack, "process_video", film, best_effort=True)
    assert (made["gaps"], made["reused"]) == ([], False)
    again = call(stack, "process_video", film)
    assert (again["gaps"], again["reused"]) == ([], True)


def test_video_knows_what_is_missing_of_it(stack: Stack, damaged: Path) -> None:
    from cinemill.storage.findings.gaps import list_gaps

    result = call(stack, "process_video", damaged, best_effort=True)
    with stack.database.begin() as connection:
        (gap,) = list_gaps(connection, result["asset_id"])
    assert gap.subject == "source"
    assert gap.message.startswith("Picture: 0:0")


def test_batch_passes_the_best_effort_on(stack: Stack, films_folder: Path) -> None:
    film = films.make_film(
        films_folder / "damaged-in-a-batch.mkv", seconds=4, extra=["-g", "25"], picture="smptebars"
    )
    films.spoil(film, stream=0, **DAMAGE)
    task = stack.app.tasks["batch_process_videos"]
    for is_tolerant, state in ((False, "failed"), (True, "completed")):
        sent = task.delay([str(film)], "quick", best_effort=is_tolerant)
        (found,) = sent.get(timeout=PATIENCE_SECONDS)["results"]
        assert found["state"] == state, found
