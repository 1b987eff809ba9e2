"""Captions by Celery on a running worker, from real speech by real models."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_output_tasks import run_script
from tests.model_files import link_models
from tests.speech import SPEECH, bare_words, word_error_rate
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.core.job import JobState
from cinemill.core.media import ArtifactKind
from cinemill.errors import InputRejected
from cinemill.storage.media import assets, findings

TIMES = r"\d\d:\d\d:\d\d,\d\d\d --> \d\d:\d\d:\d\d,\d\d\d"


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack) -> None:
    """Install the models, as 'cinemill models fetch base' does."""
    link_models(stack.home / "models", "base")


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return Path(shutil.copy(fetch("obama_speech"), films_folder / "the speech.mp4"))


@pytest.fixture(scope="module")
def captions(stack: Stack, film: Path) -> dict[str, Any]:
    """Return the result of a call exactly as the contract has it."""
    result: dict[str, Any] = run_script(
        stack,
        f"""
import json
from cinemill.worker.tasks import caption
result = caption.apply_async(args=[{str(film)!r}], kwargs={{"model": "base"}})
assert result.get(timeout={PATIENCE_SECONDS})["srt_path"]
print(json.dumps(result.get()))
""",
    )
    return result


def fail(stack: Stack, *args: Any, **kwargs: Any) -> Any:
    """Return the failure of a caption job."""
    job = stack.app.tasks["caption"].apply_async(args=list(args), kwargs=kwargs)
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    ended = stack.service.get_job(job.id)
    assert ended.state is JobState.FAILED
    return ended.failure


def test_generate_captions_task_follows_the_contract(captions: dict[str, Any]) -> None:
    srt = Path(captions["srt_path"])
    assert srt.name == "the speech.en.srt"
    blocks = srt.read_text("utf-8").strip().split("\n\n")
    shown = []
    for number, block in enumerate(blocks, start=1):
        first, times, *lines = block.split("\n")
        assert first == str(number)
        assert re.fullmatch(TIMES, times)
        assert all(len(line) <= 42 for line in lines)
        shown += lines
    assert word_error_rate(SPEECH, " ".join(shown)) < 0.1


def test_caption_files_of_all_formats_agree(captions: dict[str, Any]) -> None:
    vtt = Path(captions["vtt_path"]).read_text("utf-8")
    assert vtt.startswith("WEBVTT\n\n00:00:")
    text = Path(captions["txt_path"]).read_text("utf-8")
    document = json.loads(Path(captions["json_path"]).read_text("utf-8"))
    spoken = [word["text"] for one in document["utterances"] for word in one["words"]]
    lines = [line for cue in document["captions"] for line in cue["lines"]]
    assert bare_words(" ".join(spoken)) == bare_words(text) == bare_words(" ".join(lines))
    assert (document["model"], document["language"]) == ("base", "en")


def test_caption_result_says_how_it_was_created(stack: Stack, captions: dict[str, Any]) -> None:
    assert (captions["model"], captions["language"]) == ("base", "en")
    assert {"intake", "probe", "transcribe", "captions"} <= captions["stages"].keys()
    assert captions["facts"]["device"] in ("cpu", "cuda")
    kept = findings.get_transcript(stack.database, captions["transcript_id"])
    assert kept.asset_id == captions["asset_id"]
    srt = assets.get_artifact(stack.database, captions["asset_id"], ArtifactKind.CAPTIONS_SRT)
    assert stack.files.path(srt.artifact.sha256).read_bytes() == (
        Path(captions["srt_path"]).read_bytes()
    )


def test_same_video_is_not_transcribed_twice(stack: Stack, captions: dict[str, Any]) -> None:
    task = stack.app.tasks["caption"].apply_async(
        kwargs={"asset_id": captions["asset_id"], "model": "base", "words": False}
    )
    again = task.get(timeout=PATIENCE_SECONDS)
    assert again["reused"]
    assert again["transcript_id"] == captions["transcript_id"]
    assert again["srt_path"] != captions["srt_path"]
    assert Path(again["srt_path"]).read_bytes() == Path(captions["srt_path"]).read_bytes()
    assert '"words"' not in Path(again["json_path"]).read_text("utf-8")


def test_captions_use_the_audio_file_of_ingest(stack: Stack, captions: dict[str, Any]) -> None:
    assert captions["facts"]["sound_from"] == "source"
    film = {"asset_id": captions["asset_id"]}
    stack.app.tasks["process_video"].apply_async(kwargs=film).get(timeout=PATIENCE_SECONDS)
    request = {**film, "model": "base", "language": "en"}
    result = stack.app.tasks["caption"].apply_async(kwargs=request).get(timeout=PATIENCE_SECONDS)
    assert not result["reused"]
    assert result["facts"]["sound_from"] == "audio"
    assert word_error_rate(SPEECH, Path(result["txt_path"]).read_text("utf-8")) < 0.1


def test_video_without_speech_has_empty_captions(stack: Stack, films_folder: Path) -> None:
    tone = films.make_film(films_folder / "tone.mp4", seconds=2.4)
    result = stack.app.tasks["caption"].apply_async(args=[str(tone)]).get(timeout=PATIENCE_SECONDS)
    assert Path(result["srt_path"]).name == "tone.srt"
    assert Path(result["srt_path"]).read_text() == ""
    assert Path(result["vtt_path"]).read_text() == "WEBVTT\n"
    assert result["language"] == ""


def test_captions_of_a_video_without_audio_are_refused(stack: Stack, films_folder: Path) -> None:
    silent = films.make_film(films_folder / "silent.mp4", has_sound=False)
    failure = fail(stack, str(silent))
    assert failure.code == "media_no_sound"
    assert "no audio" in failure.message


def test_missing_speech_model_is_reported_and_used_once_fetched(stack: Stack, film: Path) -> None:
    job = stack.app.tasks["caption"].apply_async(args=[str(film), "tiny.en"])
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    failure = stack.service.get_job(job.id).failure
    assert failure is not None
    assert failure.code == "model_missing"
    assert "'cinemill models fetch tiny.en'" in failure.hint
    assert failure.retryable
    link_models(stack.home / "models", "tiny.en")
    stack.service.retry_job(job.id)
    result = stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS)
    assert result["model"] == "tiny.en"
    assert word_error_rate(SPEECH, Path(result["txt_path"]).read_text("utf-8")) < 0.25


def test_impossible_caption_requests_are_refused_at_once(stack: Stack, film: Path) -> None:
    with pytest.raises(InputRejected) as refused:
        stack.app.tasks["caption"].apply_async(
            args=[str(film), "tiny.en"], kwargs={"translate": True}
        )
    assert refused.value.code == "translation_impossible"
