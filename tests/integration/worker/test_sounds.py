"""Jobs of sources that are sound alone: what is made, what is found out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.audio_files import make_sound
from tests.integration.worker.conftest import Stack
from tests.model_files import link_models
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.capabilities.ingest.sound.prepare import LEFT_OUT
from cinemill.core.job import JobState
from cinemill.core.media import ArtifactKind
from cinemill.storage.media import assets
from cinemill.worker.result_backend import JobFailed

pytestmark = pytest.mark.usefixtures("own_videos")
MODELS = ("base", "efficientnet-lite0", "minilm-l6-v2-int8", "en-core-web-sm", "clip-vit-b16-int8")


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


@pytest.fixture(scope="module")
def sound_id(stack: Stack, films_folder: Path) -> str:
    tone = make_sound(films_folder / "tone.mp3", seconds=2, with_cover=True)
    asset_id: str = run(stack, "process_video", path=str(tone))["asset_id"]
    return asset_id


def run(stack: Stack, task: str, *args: object, **kwargs: object) -> dict[str, Any]:
    sent = stack.app.tasks[task].apply_async(args=list(args), kwargs=kwargs)
    found: dict[str, Any] = sent.get(2 * PATIENCE_SECONDS)
    return found


def test_what_is_said_is_found_and_nothing_is_missing(stack: Stack, films_folder: Path) -> None:
    speech = films_folder / "speech.m4a"
    films.run(["-i", str(fetch("obama_speech")), "-vn", "-t", "20", "-c:a", "aac", str(speech)])
    result = run(stack, "process_video", path=str(speech), profile="full")
    assert result["gaps"] == []
    assert result["warnings"] == [LEFT_OUT]
    assert result["passages"].get("speech", 0) > 0
    assert result["findings"].get("shot", 0) == 0
    kinds = {one.artifact.kind for one in assets.list_artifacts(stack.database, result["asset_id"])}
    assert {ArtifactKind.PROXY, ArtifactKind.WAVEFORM, ArtifactKind.AUDIO} <= kinds
    assert {ArtifactKind.CAPTIONS_VTT, ArtifactKind.CAPTIONS_SRT} <= kinds
    assert not {ArtifactKind.POSTER, ArtifactKind.SPRITE, ArtifactKind.KEYFRAME} & kinds


def test_files_of_a_sound_are_made_once(stack: Stack, sound_id: str) -> None:
    again = run(stack, "generate_proxy_video", sound_id)
    assert again["reused"] is True
    assert again["output_filename"] == "tone-proxy.m4a"
    assert again["warnings"] == [LEFT_OUT]


def test_thumbnail_of_a_sound_is_left_out(stack: Stack, films_folder: Path) -> None:
    tone = make_sound(films_folder / "other.flac", hertz=660)
    result = run(stack, "process_video", path=str(tone), thumbnail_seconds=0.5)
    assert "thumbnail" not in result["artifacts"]
    assert result["warnings"] == [LEFT_OUT, "no thumbnail was created"]


def test_metadata_of_a_sound_has_no_size(stack: Stack, sound_id: str) -> None:
    found = run(stack, "extract_video_metadata", sound_id)
    assert (found["width"], found["height"], found["fps"], found["codec"]) == (None,) * 4
    assert (found["audio_codec"], found["format"]) == ("mp3", "mp3")
    assert found["duration"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    "kind",
    [
        "generate_preview",
        "generate_thumbnail",
        "detect_shot_boundaries",
        "extract_keyframes",
        "detect_video",
    ],
)
def test_work_on_pictures_is_refused_at_once(stack: Stack, sound_id: str, kind: str) -> None:
    job = stack.service.create_job(kind, owner="local", asset_id=sound_id, params={})
    with pytest.raises(JobFailed) as failed:
        stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS)
    assert failed.value.code == "media_no_video"
    ended = stack.service.get_job(job.id)
    assert ended.state is JobState.FAILED


def test_sound_as_a_clip_is_refused_by_its_place(stack: Stack, sound_id: str) -> None:
    timeline = {"clips": [{"asset_id": sound_id, "start": 0, "end": 1}]}
    with pytest.raises(JobFailed) as failed:
        run(stack, "render_video", timeline)
    assert failed.value.code == "media_no_video"
    assert "sound alone" in failed.value.message


def test_sound_is_transcoded_and_made_a_ladder(stack: Stack, sound_id: str) -> None:
    job = stack.service.create_job(
        "transcode", owner="local", asset_id=sound_id, params={"options": {"audio": "aac"}}
    )
    result = stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS)
    assert result["output_filename"] == "tone-aac.m4a"
    assert result["rendition"]["media_type"] == "audio/mp4"
    job = stack.service.create_job("make_ladder", owner="local", asset_id=sound_id, params={})
    result = stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS)
    assert [one["filename"] for one in result["rungs"]] == [
        "sound-1-128k.mp4",
        "sound-1-64k.mp4",
    ]
    assert result["sounds"] == 1
    assert Path(result["output_path"]).read_text().count("EXT-X-STREAM-INF") == 2


def test_picture_is_refused_by_its_name(stack: Stack, films_folder: Path) -> None:
    picture = films_folder / "picture.png"
    films.run(["-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1", str(picture)])
    with pytest.raises(JobFailed) as failed:
        run(stack, "process_video", path=str(picture))
    assert failed.value.code == "media_still"
    assert "(PNG)" in failed.value.message
