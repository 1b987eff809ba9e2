"""The Celery tasks that create output, on a running worker, called as users' scripts do."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import pytest
from tests.color_outputs import is_right
from tests.color_patches import look_at_jpeg, look_at_video, make_source
from tests.films import make_film, remux
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import JobState
from cinemill.core.media import ArtifactKind
from cinemill.errors import InputRejected
from cinemill.storage.media import assets


def run_script(stack: Stack, script: str) -> Any:
    """Return the JSON that a user's script prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=stack.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return make_film(films_folder / "a film.mp4", seconds=4, size=(640, 360))


def test_transcode_task_follows_the_contract(stack: Stack, film: Path) -> None:
    output_path = run_script(
        stack,
        f"""
import json
from cinemill.worker.tasks import transcode
print(json.dumps(transcode.apply_async(args=[{str(film)!r}, {{
    "codec": "h264",            # h264, h265, vp9, av1
    "container": "mp4",         # mp4, webm, mkv
    "width": 1280, "height": 720, "bitrate": "5M",
}}]).get(timeout={PATIENCE_SECONDS})["output_path"]))
""",
    )
    with av.open(output_path) as made:
        stream = made.streams.video[0]
        assert (stream.width, stream.height) == (1280, 720)
        assert stream.codec_context.name == "h264"
        assert stream.frames == 100
        assert len(made.streams.audio) == 1
    assert Path(output_path).name == "a film-720p-h264.mp4"


def test_preview_task_follows_the_contract(stack: Stack, film: Path) -> None:
    paths = run_script(
        stack,
        f"""
import json
from cinemill.worker.tasks import generate_preview
print(json.dumps(generate_preview.apply_async(args=[{str(film)!r}], kwargs={{"num_frames": 10}})
    .get(timeout={PATIENCE_SECONDS})["preview_paths"]))
""",
    )
    assert len(paths) == 10
    stills = [Path(path).read_bytes() for path in paths]
    assert all(before != after for before, after in pairwise(stills))
    with av.open(paths[0]) as still:
        assert (still.streams.video[0].width, still.streams.video[0].height) == (640, 360)


def test_outputs_of_an_hd_video_that_states_no_colors_have_its_colors(
    stack: Stack, films_folder: Path
) -> None:
    film = make_source("untagged HD", films_folder)
    tasks = stack.app.tasks
    encoding = tasks["transcode"].apply_async(args=[str(film), {"height": 180}])
    extracting = tasks["generate_preview"].apply_async(args=[str(film)], kwargs={"num_frames": 1})
    rendition, preview = (one.get(timeout=PATIENCE_SECONDS) for one in (encoding, extracting))
    assert is_right("rendition", look_at_video(Path(rendition["output_path"])))
    assert is_right("preview still", look_at_jpeg(Path(preview["preview_paths"][0])))


def test_preview_task_creates_a_contact_sheet_and_an_animation(stack: Stack, film: Path) -> None:
    options = {"num_frames": 4, "animated": True, "sheet": {"columns": 3}}
    task = stack.app.tasks["generate_preview"].apply_async(args=[str(film)], kwargs=options)
    result = task.get(timeout=PATIENCE_SECONDS)
    assert Path(result["sheet_path"]).name == "a film-sheet.jpg"
    assert (result["sheet"]["columns"], result["sheet"]["rows"]) == (3, 2)
    with av.open(result["animated_path"]) as looped:
        assert not looped.streams.audio
        assert looped.streams.video[0].frames == result["animated"]["frames"] == 40
    steps = stack.service.get_job_status(task.id)["steps"]
    # FFmpeg's memory next to the process's own.
    assert all(step["peak_memory_bytes"] > 20 << 20 for step in steps)
    listed = {record.artifact.sha256 for record in list_outputs(stack, result["asset_id"])}
    assert {result["sheet"]["sha256"], result["animated"]["sha256"]} < listed


def list_outputs(stack: Stack, asset_id: str) -> list[assets.ArtifactRecord]:
    return assets.list_artifacts(stack.database, asset_id)


def test_repeated_rendition_is_reused(stack: Stack, film: Path) -> None:
    options = {"codec": "vp9", "container": "webm", "height": 90}
    task = stack.app.tasks["transcode"]
    first, second = (
        task.apply_async(args=[str(film), options]).get(timeout=PATIENCE_SECONDS) for _ in range(2)
    )
    assert first["rendition"]["sha256"] == second["rendition"]["sha256"]
    assert (first["reused"], second["reused"]) == (False, True)
    assert first["output_path"] != second["output_path"]


def test_outputs_of_odd_names_are_stored_under_their_own(stack: Stack, films_folder: Path) -> None:
    long = make_film(
        films_folder / f"{'映' * 80}.mp4", seconds=1, size=(160, 90), picture="rgbtestsrc"
    )
    other = long.with_name("-b: \u202e?.mp4")
    other.write_bytes(long.read_bytes())
    options = {"codec": "h264", "container": "mp4", "height": 90}
    task = stack.app.tasks["transcode"]
    first, second = (
        task.apply_async(args=[str(path), options]).get(timeout=PATIENCE_SECONDS)
        for path in (long, other)
    )
    names = [Path(one["output_path"]).name for one in (first, second)]
    assert names == [f"{'映' * 43}-90p-h264.mp4", "_-b_ _-90p-h264.mp4"]
    assert [one["output_filename"] for one in (first, second)] == names
    assert (first["reused"], second["reused"]) == (False, True)
    asset = assets.get_asset(stack.database, first["asset_id"])
    assert (asset.filename, asset.other_names) == ("-b: ?.mp4", (long.name,))


def test_rendition_reports_its_conversions(stack: Stack, film: Path) -> None:
    options = {"codec": "av1", "container": "webm", "height": 90, "preset": "mobile"}
    result = stack.app.tasks["transcode"].apply_async(args=[str(film), options])
    facts = result.get(timeout=PATIENCE_SECONDS)["rendition"]["facts"]
    assert facts["changes"] == ["audio track 1 was encoded from aac to opus"]
    assert facts["codec"] == "av1"


def test_rendition_reaches_the_requested_quality(stack: Stack, film: Path) -> None:
    options = {"height": 90, "crf": 45, "vmaf_min": 80, "preset": "mobile"}
    result = stack.app.tasks["transcode"].apply_async(args=[str(film), options])
    facts = result.get(timeout=PATIENCE_SECONDS)["rendition"]["facts"]
    first, second = facts["tries"]
    assert first["vmaf"] < 80 <= second["vmaf"] == facts["vmaf"]
    assert facts["vmaf_min"] == 80


def test_rendition_below_the_requested_quality_is_not_published(stack: Stack, film: Path) -> None:
    options = {"height": 92, "crf": 30, "vmaf_min": 99.9, "preset": "mobile"}
    job = stack.app.tasks["transcode"].apply_async(args=[str(film), options])
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    ended = stack.service.get_job(job.id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "quality_not_reached"
    assert ended.asset_id is not None
    made = assets.list_artifacts(stack.database, ended.asset_id)
    assert not [one for one in made if one.artifact.facts.get("height") == 92]


def test_impossible_rendition_is_refused_at_once(stack: Stack, film: Path) -> None:
    with pytest.raises(InputRejected) as refused:
        stack.app.tasks["transcode"].apply_async(
            args=[str(film), {"codec": "h265", "container": "webm"}]
        )
    assert refused.value.code == "combination_impossible"


def test_audio_unsupported_by_the_container_fails_the_job(stack: Stack, film: Path) -> None:
    options = {"codec": "vp9", "container": "webm", "audio": "copy"}
    job = stack.app.tasks["transcode"].apply_async(args=[str(film), options])
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    ended = stack.service.get_job(job.id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "combination_impossible"


def test_transcode_path_outside_the_input_roots_is_refused(stack: Stack, tmp_path: Path) -> None:
    film = make_film(tmp_path / "elsewhere.mp4", seconds=1)
    job = stack.app.tasks["generate_preview"].apply_async(args=[str(film)])
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    failure = stack.service.get_job(job.id).failure
    assert failure is not None
    assert failure.code == "path_forbidden"


def test_package_task_creates_adaptive_streams(stack: Stack, film: Path) -> None:
    """It can be played at once as it is, then with every rung, under separate names."""
    task = stack.app.tasks["make_ladder"].apply_async(
        args=[str(film), "mobile"], task_id=f"über/{uuid4()}"
    )
    result = task.get(timeout=PATIENCE_SECONDS)
    assert [rung["filename"] for rung in result["rungs"]] == ["360p.mp4", "240p.mp4"]
    master = Path(result["output_path"])
    assert {path.name for path in master.parent.iterdir()} >= {"240p.m3u8", "manifest.mpd"}
    with av.open(str(master), options={"allowed_extensions": "ALL"}) as played:
        assert sum(1 for _ in played.decode(video=0)) == 100
    streams = [
        record.variant
        for record in assets.list_artifacts(stack.database, result["asset_id"])
        if record.artifact.kind is ArtifactKind.STREAM
    ]
    masters = [variant for variant in streams if variant.endswith("/master.m3u8")]
    assert len(masters) == 2  # the video as it is, and the ladder
    assert result["playlist"] in masters


@pytest.mark.parametrize("suffix", ["ts", "avi"])
def test_ladder_of_any_container_is_made(stack: Stack, film: Path, suffix: str) -> None:
    """From MPEG-TS it can be watched at once; an AVI does not say when its frames are shown."""
    other = remux(film, film.with_name(f"{uuid4().hex}.{suffix}"))
    task = stack.app.tasks["make_ladder"].apply_async(args=[str(other), "mobile"])
    result = task.get(timeout=PATIENCE_SECONDS)
    assert result["frames"] == 100
    assert result["changes"] == []
    opened = rows.get_steps(stack.database, stack.service.get_job(task.id))["open"].result
    assert opened is not None
    assert bool(opened["playlist"]) == (suffix == "ts")
