"""Detection by Celery on a running worker: each outcome, on real videos with real models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.detectors import BACKBONE, install_detector, link_detector_models
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_output_tasks import run_script
from tests.waiting import PATIENCE_SECONDS, wait_until
from tools.samples import fetch

from cinemill.core.job import JobState
from cinemill.storage.analyses.analyses import get_analysis
from cinemill.storage.analyses.frame_scores import list_frame_scores
from cinemill.storage.analyses.results import get_metrics

CONTRACT = {
    *("analysis_id", "verdict", "score", "reasons", "frame_count", "faces", "regions"),
    *("processing_seconds", "cache_hit", "versions", "asset_id", "job_id"),
}


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    link_detector_models(stack.home / "models")


@pytest.fixture
def detector(stack: Stack) -> Any:
    """Return a function that installs a detector; none is left after the test."""
    yield lambda logit, **options: install_detector(stack.home, logit, **options)
    for folder in ("heads", "ensembles"):
        shutil.rmtree(stack.home / folder, ignore_errors=True)


def put_sample(films_folder: Path, name: str) -> Path:
    sample = fetch(name)
    return Path(shutil.copy(sample, films_folder / sample.name))


def detect(stack: Stack, *args: Any, **kwargs: Any) -> dict[str, Any]:
    task = stack.app.tasks["detect_video"]
    result: dict[str, Any] = task.apply_async(args=list(args), kwargs=kwargs).get(
        timeout=PATIENCE_SECONDS
    )
    return result


def count_starts(stack: Stack, kind: str) -> int:
    query = text("SELECT count(*) FROM step WHERE kind = :kind")
    with stack.database.begin() as connection:
        return int(connection.execute(query, {"kind": kind}).scalar_one())


def test_task_follows_the_contract(stack: Stack, films_folder: Path) -> None:
    film = put_sample(films_folder, "single_face")
    result = run_script(
        stack,
        f"""
import json
from cinemill.worker.tasks import detect_video
result = detect_video.apply_async(args=[{str(film)!r}])
print(json.dumps({{**result.get(timeout={PATIENCE_SECONDS}), "task": result.id}}))
""",
    )
    assert set(result) >= CONTRACT
    assert result["analysis_id"] == result["job_id"] == result["task"]


def test_without_a_detector_nothing_is_scored(stack: Stack, films_folder: Path) -> None:
    result = detect(stack, str(put_sample(films_folder, "single_face")))
    assert (result["verdict"], result["score"], result["reasons"]) == (
        *("no_model", None),
        ["no_model"],
    )
    assert result["faces"] == []


@pytest.mark.parametrize(
    ("logit", "verdict", "reason"),
    [
        (3.0, "likely_manipulated", "score_high"),
        (-3.0, "no_manipulation_found", "score_low"),
        (0.0, "inconclusive", "between_thresholds"),
    ],
)
def test_calibrated_score_decides(
    stack: Stack, films_folder: Path, detector: Any, logit: float, verdict: str, reason: str
) -> None:
    detector(logit)
    result = detect(stack, str(put_sample(films_folder, "expressive_face")))
    assert (result["verdict"], result["reasons"]) == (verdict, [reason])
    assert result["frame_count"] == 32
    assert result["faces"]
    with stack.database.begin() as connection:
        analysis = get_analysis(connection, result["analysis_id"])
        frames = list_frame_scores(connection, result["analysis_id"], limit=500)
        metrics = get_metrics(connection, result["analysis_id"])
    assert (analysis.verdict, analysis.state) == (verdict, JobState.COMPLETED)
    scored = [one.frame for one in frames if one.frame.box is not None]
    assert {tuple(one.member_scores.items()) for one in scored} == {((BACKBONE, logit),)}
    assert analysis.needs_review is (verdict != "no_manipulation_found")
    assert sum(one.frame.score is not None for one in frames) == sum(
        face["sightings"] for face in result["faces"]
    )
    assert metrics is not None
    assert metrics.frame_count == 32


def test_score_that_was_never_calibrated_decides_nothing(
    stack: Stack, films_folder: Path, detector: Any
) -> None:
    detector(9.0, is_calibrated=False)
    result = detect(stack, str(put_sample(films_folder, "expressive_face")))
    assert (result["verdict"], result["score"]) == ("inconclusive", None)
    assert result["reasons"] == ["not_calibrated"]


@pytest.mark.parametrize("name", ["no_face", "bigbuckbunny"])
def test_video_without_a_face_is_not_scored(
    stack: Stack, films_folder: Path, detector: Any, name: str
) -> None:
    detector(9.0)
    result = detect(stack, str(put_sample(films_folder, name)))
    assert (result["verdict"], result["score"]) == ("no_face", None)
    assert result["frame_count"] == 32


def test_known_video_is_answered_without_an_examination(
    stack: Stack, films_folder: Path, detector: Any
) -> None:
    detector(1.0)
    film = str(put_sample(films_folder, "obama_speech"))
    first = detect(stack, film)
    examined = count_starts(stack, "analyze_video")
    again = detect(stack, film)
    by_id = detect(stack, first["asset_id"])
    assert (first["cache_hit"], again["cache_hit"], by_id["cache_hit"]) == (False, True, True)
    for name in ("verdict", "score", "faces", "regions", "frame_count", "asset_id", "versions"):
        assert first[name] == again[name] == by_id[name]
    assert count_starts(stack, "analyze_video") == examined


def test_known_video_of_another_owner_waits_for_no_start(
    stack: Stack, films_folder: Path, detector: Any
) -> None:
    """The rate of examinations is for examinations; its file becomes an asset all the same."""
    detector(1.0)
    film = str(put_sample(films_folder, "obama_speech"))
    first = detect(stack, film)
    examined = count_starts(stack, "analyze_video")
    job = stack.service.create_job("detect_video", owner="another", params={"asset": film})
    wait_until(lambda: stack.service.get_job(job.id).state.is_final)
    result = stack.service.get_job(job.id).result or {}
    assert (result["cache_hit"], result["verdict"]) == (True, first["verdict"])
    assert result["asset_id"] not in (None, first["asset_id"])
    assert count_starts(stack, "analyze_video") == examined
    with stack.database.begin() as connection:
        assert get_analysis(connection, job.id).asset_id == result["asset_id"]


def test_new_head_needs_no_new_features(stack: Stack, films_folder: Path, detector: Any) -> None:
    detector(-4.0)
    film = str(put_sample(films_folder, "obama_speech"))
    detect(stack, film)
    examined = count_starts(stack, "analyze_video")
    detector(4.0)
    result = detect(stack, film)
    assert (result["verdict"], result["cache_hit"]) == ("likely_manipulated", True)
    assert count_starts(stack, "analyze_video") == examined


def test_fast_analysis_examines_eight_frames(
    stack: Stack, films_folder: Path, detector: Any
) -> None:
    detector(1.0)
    result = detect(stack, str(put_sample(films_folder, "single_face")), fast=True)
    assert result["frame_count"] == 8
    # It was calibrated with 32 frames of each video.
    assert (result["verdict"], result["reasons"]) == (
        *("inconclusive", ["calibrated_for_other_frames"]),
    )


def test_rejected_video_leaves_a_failed_analysis(
    stack: Stack, films_folder: Path, detector: Any
) -> None:
    detector(1.0)
    whole = make_film(films_folder / "whole.mkv", seconds=4)
    half = films_folder / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    task = stack.app.tasks["detect_video"].apply_async(args=[str(half)])
    task.get(timeout=PATIENCE_SECONDS, propagate=False)
    with stack.database.begin() as connection:
        analysis = get_analysis(connection, task.id)
    assert (analysis.state, analysis.verdict) == (JobState.FAILED, "failed")
    assert analysis.error is not None
    assert analysis.error.code == "media_truncated"


def test_path_outside_the_allowed_folders_leaves_a_failed_analysis(stack: Stack) -> None:
    task = stack.app.tasks["detect_video"].apply_async(args=["/etc/hostname"])
    task.get(timeout=PATIENCE_SECONDS, propagate=False)
    with stack.database.begin() as connection:
        analysis = get_analysis(connection, task.id)
    assert analysis.error is not None
    assert analysis.error.code == "path_forbidden"
