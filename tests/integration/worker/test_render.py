"""Renders on a running worker, called as users' scripts call them.

All are submitted at the beginning, so that they run in parallel while the tests wait for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from celery.result import AsyncResult
from tests import films
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.capabilities.render.plan import BatchParameters, name_children
from cinemill.core.job import Failure, JobState
from cinemill.core.media import ArtifactKind
from cinemill.errors import InputRejected, NotFound
from cinemill.storage.media import assets

OUTPUT = {"width": 320, "height": 180, "fps": 25}
SRT = b"1\n00:00:00,200 --> 00:00:00,800\n<i>Hello</i> '; [x] , movie=/etc/passwd\n"


@pytest.fixture(scope="module")
def sources(films_folder: Path) -> Mapping[str, str]:
    """Return videos of every ordinary kind, by name."""
    folder = films_folder / "render"
    folder.mkdir()
    (folder / "subtitles.srt").write_bytes(SRT)
    (folder / "latin.srt").write_bytes(SRT.replace(b"Hello", b"sch\xf6n"))
    films.run(["-f", "lavfi", "-i", "color=c=red:size=4x2", "-frames:v", "1", f"{folder}/l.png"])
    films.run(["-f", "lavfi", "-i", "sine=duration=3", f"{folder}/m.mp3"])
    made = {
        "scene1": films.make_film(folder / "scene1.mp4", seconds=3),
        "scene2": films.make_film(folder / "scene2.mp4", seconds=3, rate="30000/1001"),
        "tall": films.make_film(folder / "tall.mkv", size=(180, 320), rate="24", seconds=2),
        "silent": films.make_film(folder / "silent.mp4", has_sound=False, seconds=2),
        "hertz": films.make_film(folder / "hertz.mov", extra=["-ar", "22050"], seconds=2),
        "wobbly": films.make_variable_rate(folder / "wobbly.mp4"),
    }
    return {
        **{name: str(path) for name, path in made.items()},
        "srt": str(folder / "subtitles.srt"),
        "logo": f"{folder}/l.png",
        "music": f"{folder}/m.mp3",
        "latin": str(folder / "latin.srt"),
        "missing": str(folder / "missing.mp4"),
    }


def contract_job(sources: Mapping[str, str], **changes: Any) -> dict[str, Any]:
    job = {
        "scenes": [
            {"video_path": sources["scene1"], "start_time": 0, "end_time": 2},
            {"video_path": sources["scene2"], "start_time": 0.5, "end_time": 2.5},
        ],
        "output_format": OUTPUT,
        "transitions": True,
        "use_gpu": True,
        "subtitles": sources["srt"],
    }
    return {**job, **changes}


def mixed_edit(sources: Mapping[str, str]) -> dict[str, Any]:
    half = {"kind": "wipeleft", "seconds": 0.4}
    return {
        "clips": [
            {"path": sources["scene1"], "start": 0, "end": 1.5, "transition": half},
            {"path": sources["tall"], "start": 0.5, "end": 2, "transition": half, "volume": 0.5},
            {"path": sources["silent"], "start": 0, "end": 1, "fade_in": 0.2},
            {"path": sources["hertz"], "start": 0, "end": 2, "transition": "cut"},
            {"path": sources["wobbly"], "start": 0.3, "end": 1.3, "fade_out": 0.5},
        ],
        "output": {**OUTPUT, "fps": "30000/1001"},
        "titles": [{"text": "Six seconds", "from": 0.2, "to": 1, "place": "top", "fade_in": 0.2}],
        "overlays": [
            {"path": sources["logo"], "to": 0.5, "place": "top-left", "size": 0.2},
            {"path": sources["scene1"], "from": 1.2, "to": 1.8, "size": 0.3, "opacity": 0.8},
        ],
        "sounds": [{"path": sources["music"], "volume": 0.5, "fade_out": 1}],
    }


@pytest.fixture(scope="module")
def submitted(stack: Stack, sources: Mapping[str, str]) -> dict[str, AsyncResult]:
    """Submit every render of this module; return the results by name."""
    past = contract_job(sources, subtitles=None)
    past["scenes"][1]["end_time"] = 20
    missing = contract_job(sources)
    missing["scenes"][1]["video_path"] = sources["missing"]
    crossed = contract_job(sources)
    crossed["scenes"][0]["end_time"] = 0
    render, batch = stack.app.tasks["render_video"], stack.app.tasks["batch_render"]
    return {
        "mixed": render.apply_async(args=[mixed_edit(sources)]),
        "past": render.apply_async(args=[past]),
        "latin": render.apply_async(args=[contract_job(sources, subtitles=sources["latin"])]),
        "missing": render.apply_async(args=[missing]),
        "batch": batch.apply_async(
            args=[[contract_job(sources), missing, crossed, "no timeline"]], priority=9
        ),
    }


def wait(result: AsyncResult) -> Any:
    return result.get(timeout=PATIENCE_SECONDS)


def wait_for_failure(stack: Stack, result: AsyncResult) -> Failure:
    result.get(timeout=PATIENCE_SECONDS, propagate=False)
    job = stack.service.get_job(result.id)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    return job.failure


def read_film(path: str) -> tuple[int, set[Fraction], float]:
    """Return the number of decoded frames, the intervals between them, and the audio's length."""
    with av.open(path) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert (video.width, video.height) == (320, 180)
        assert video.start_time == 0
        assert video.time_base is not None
        assert audio.time_base is not None
        assert audio.duration is not None
        seconds = float(audio.duration * audio.time_base)
        times = [
            frame.pts * video.time_base for frame in film.decode(video) if frame.pts is not None
        ]
    return len(times), {after - before for before, after in pairwise(times)}, seconds


def test_render_task_follows_the_contract(
    stack: Stack, sources: Mapping[str, str], submitted: dict[str, AsyncResult]
) -> None:
    script = f"""
import json
from cinemill.worker.tasks import render_video
job = {{
    "scenes": [
        {{"video_path": {sources["scene1"]!r}, "start_time": 0, "end_time": 2}},
        {{"video_path": {sources["scene2"]!r}, "start_time": 0.5, "end_time": 2.5}},
    ],
    "output_format": {{"width": 320, "height": 180, "fps": 25}},
    "transitions": True,
    "use_gpu": True,
    "subtitles": {sources["srt"]!r},          # optional
}}
result = render_video.apply_async(args=[job], priority=9)      # 0–10, 10 first
assert result.id and result.state in ("PENDING", "PROGRESS") and not result.ready()
print(json.dumps(result.get(timeout={PATIENCE_SECONDS})["output_path"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=stack.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    output_path = json.loads(done.stdout)
    frames, steps, sound_seconds = read_film(output_path)
    assert frames == 50 + 50 - 25
    assert steps == {Fraction(1, 25)}
    assert sound_seconds == pytest.approx(3.0, abs=0.03)
    assert Path(output_path).name == "scene1-render-180p.mp4"


def test_render_combines_videos_of_every_kind(
    stack: Stack, submitted: dict[str, AsyncResult]
) -> None:
    result = wait(submitted["mixed"])
    frames, steps, sound_seconds = read_film(result["output_path"])
    assert frames == 45 + 45 + 30 + 60 + 30 - 2 * 12
    assert steps == {Fraction(1001, 30000)}
    assert sound_seconds == pytest.approx(frames * 1001 / 30000, abs=0.03)
    assert result["pieces"] == {"total": 7, "reused": 0, "copied_frames": 0}
    assert len(result["asset_ids"]) == 5
    assert result["output_filename"] == Path(result["output_path"]).name
    job = stack.service.get_job(submitted["mixed"].id)
    assert job.asset_id is not None
    assert job.asset_id == result["asset_id"] == result["asset_ids"][0]
    listed = {
        record.artifact.kind for record in assets.list_artifacts(stack.database, job.asset_id)
    }
    assert ArtifactKind.RENDER in listed
    assert ArtifactKind.PIECE not in listed


def test_render_repeats_only_the_changed_scene(
    stack: Stack, sources: Mapping[str, str], submitted: dict[str, AsyncResult]
) -> None:
    before = wait(submitted["mixed"])
    changed = deepcopy(mixed_edit(sources))
    changed["clips"][3]["start"] = 0.5
    after = wait(stack.app.tasks["render_video"].apply_async(args=[changed]))
    assert after["pieces"] == {"total": 7, "reused": 6, "copied_frames": 0}
    assert after["render"]["facts"]["frames"] == before["render"]["facts"]["frames"] - 15
    again = wait(stack.app.tasks["render_video"].apply_async(args=[mixed_edit(sources)]))
    assert again["pieces"] == {"total": 7, "reused": 7, "copied_frames": 0}
    assert again["render"]["sha256"] == before["render"]["sha256"]


def test_render_output_is_cut_without_reencoding(
    stack: Stack, films_folder: Path, submitted: dict[str, AsyncResult]
) -> None:
    """Its last two pieces begin with a key frame; the rest of the first one is encoded."""
    good = wait(submitted["batch"])[0]
    path = films_folder / "render" / "again.mp4"
    path.write_bytes(Path(good["output_path"]).read_bytes())
    clips = [{"path": str(path), "start": 0.2, "end": 3}]
    made = wait(
        stack.app.tasks["render_video"].apply_async(args=[{"clips": clips, "output": OUTPUT}])
    )
    assert made["pieces"]["copied_frames"] == 50
    frames, steps, _ = read_film(made["output_path"])
    assert frames == 70
    assert steps == {Fraction(1, 25)}


def test_batch_render_returns_a_result_for_each_job(
    stack: Stack, sources: Mapping[str, str], submitted: dict[str, AsyncResult]
) -> None:
    good, missing, crossed, nonsense = wait(submitted["batch"])
    assert read_film(good["output_path"])[0] == 75
    assert missing["error"]["code"] == "source_not_found"
    assert missing["error"]["message"].startswith("Clip 1: ")
    assert crossed["error"]["code"] == "clip_times_invalid"
    assert crossed["error"]["message"].startswith("Clip 0: ")
    assert nonsense["error"]["code"] == "timeline_invalid"
    assert good["render"]["facts"]["changes"] == [
        "encoded in software: no hardware encoder for h264 is available"
    ]


def test_render_names_a_clip_past_the_end_of_its_video(
    stack: Stack, submitted: dict[str, AsyncResult]
) -> None:
    failure = wait_for_failure(stack, submitted["past"])
    assert failure.code == "clip_past_end"
    assert failure.message.startswith("Clip 1: it ends at 20 s")


def test_render_names_a_missing_video(stack: Stack, submitted: dict[str, AsyncResult]) -> None:
    failure = wait_for_failure(stack, submitted["missing"])
    assert failure.code == "source_not_found"
    assert failure.message.startswith("Clip 1: ")


def test_render_refuses_subtitles_in_another_encoding(
    stack: Stack, submitted: dict[str, AsyncResult]
) -> None:
    failure = wait_for_failure(stack, submitted["latin"])
    assert failure.code == "subtitles_encoding"
    assert "line 3" in failure.message


def test_render_path_outside_the_input_roots_is_refused(
    stack: Stack, sources: Mapping[str, str], tmp_path: Path
) -> None:
    elsewhere = films.make_film(tmp_path / "elsewhere.mp4")
    job = contract_job(sources)
    job["scenes"][0]["video_path"] = str(elsewhere)
    failure = wait_for_failure(stack, stack.app.tasks["render_video"].apply_async(args=[job]))
    assert failure.code == "path_forbidden"
    assert failure.message.startswith("Clip 0: ")


@pytest.mark.parametrize(
    ("scene", "code"),
    [
        ({"video_path": "a.mp4", "start_time": -1, "end_time": 1}, "clip_times_invalid"),
        ({"video_path": "a.mp4", "start_time": 2, "end_time": 1}, "clip_times_invalid"),
        ({"video_path": None, "start_time": 0, "end_time": 1}, "clip_source_missing"),
    ],
)
def test_render_refuses_an_impossible_timeline_at_once(
    stack: Stack, sources: Mapping[str, str], scene: dict[str, Any], code: str
) -> None:
    job = contract_job(sources)
    job["scenes"].append(scene)
    with pytest.raises(InputRejected, match=r"^Clip 2: ") as refused:
        stack.app.tasks["render_video"].apply_async(args=[job])
    assert refused.value.code == code


def test_cancelled_batch_cancels_its_renders(stack: Stack, sources: Mapping[str, str]) -> None:
    # So many that the last cannot have started when all are submitted.
    timelines = [contract_job(sources, transitions=False)] * 20
    batch = stack.app.tasks["batch_render"].apply_async(args=[timelines])
    children = name_children(batch.id, BatchParameters(jobs=tuple(timelines)))
    wait_until(lambda: all(is_there(stack, child) for child in children))
    stack.service.cancel_job(batch.id, "wrong films")
    batch.get(timeout=PATIENCE_SECONDS, propagate=False)
    assert stack.service.get_job(batch.id).state is JobState.CANCELLED
    wait_until(lambda: all(stack.service.get_job(child).state.is_final for child in children))
    last = stack.service.get_job(children[-1])
    assert (last.state, last.cancel_reason) == (JobState.CANCELLED, "wrong films")


def is_there(stack: Stack, job_id: str) -> bool:
    with suppress(NotFound):
        return bool(stack.service.get_job(job_id))
    return False
