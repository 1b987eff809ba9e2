"""Timelines with overlays, titles and audio, run step by step as they were planned.

Each step has only the results of the steps that it waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import pytest
from tests import films
from tests.integration.steps.conftest import Opener
from tests.integration.steps.walk_render import run_plan

from cinemill.capabilities.captions.formats import FILES
from cinemill.capabilities.captions.handlers import write_texts
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.errors import InputRejected
from cinemill.steps.resources import StepResources
from cinemill.storage.media import assets


@pytest.fixture
def materials(tmp_path: Path) -> dict[str, str]:
    films.run(
        ["-f", "lavfi", "-i", "color=c=red:size=40x20", "-frames:v", "1", f"{tmp_path}/l.png"]
    )
    films.run(["-f", "lavfi", "-i", "sine=duration=1", f"{tmp_path}/m.mp3"])
    return {
        "film": str(films.make_film(tmp_path / "film.mp4", size=(160, 90))),
        "mute": str(films.make_film(tmp_path / "mute.mp4", size=(160, 90), has_sound=False)),
        "logo": f"{tmp_path}/l.png",
        "music": f"{tmp_path}/m.mp3",
    }


def make_timeline(materials: Mapping[str, str], **more: Any) -> dict[str, Any]:
    clips = [{"gap": 0.2}, {"path": materials["mute"], "start": 0, "end": 1}]
    return {"clips": clips, "output": {"width": 160, "height": 90, "fps": 25}, **more}


def reject(resources: StepResources, open_context: Opener, timeline: Any) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        run_plan(resources, open_context, timeline)
    return refused.value


def test_overlay_files_are_kept_with_the_first_video(
    resources: StepResources, open_context: Opener, materials: dict[str, str]
) -> None:
    timeline = make_timeline(
        materials,
        overlays=[{"path": materials["logo"], "place": "top-right", "size": 0.2}],
        sounds=[{"path": materials["music"], "from": 0.2}],
        titles=[{"text": "Hello", "to": 0.2}],
        background="#00ff00",
    )
    results = run_plan(resources, open_context, timeline)
    result = results["join"]
    with av.open(result["output_path"]) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(pictures) == 30
    assert pictures[0][80, 10].argmax() == 1
    assert all(picture[8, 148].argmax() == 0 for picture in pictures)
    assert result["render"]["facts"]["sounds"] == 1
    assert len(result["asset_ids"]) == len(assets.list_assets(resources.database)) == 1
    for name in ("gather-001", "gather-002"):
        (material,) = results[name]["sources"].values()
        kept = assets.take_cached(resources.database, f"material-{material['sha256']}")
        assert kept is not None
        assert kept.kind is ArtifactKind.OVERLAY_SOURCE


def test_video_on_an_upper_track_adds_its_audio(
    resources: StepResources, open_context: Opener, materials: dict[str, str]
) -> None:
    below, above = ([{"path": materials[name], "start": 0, "end": 1}] for name in ("mute", "film"))
    output = {"width": 160, "height": 90, "fps": 25}
    audible = run_plan(resources, open_context, {"tracks": [below, above], "output": output})[
        "join"
    ]
    assert audible["render"]["facts"]["sounds"] == 1
    assert len(audible["asset_ids"]) == 2
    mute = run_plan(resources, open_context, {"tracks": [below, below], "output": output})["join"]
    assert mute["render"]["facts"]["sounds"] == 0


def caption(resources: StepResources, asset_id: str) -> None:
    """Store captions of the asset as a worker does after transcribing it."""
    said = (Utterance(0, 900, "Good morning."),)
    transcript = Transcript("base", "weights", "en", SpeechTask.TRANSCRIBE, said, {})
    texts = write_texts(transcript, with_words=True)
    made = []
    for file in FILES:
        with resources.files.receive() as incoming:
            incoming.write(texts[file.kind].encode())
            stored = incoming.commit()
        facts = {"language": "en", "model": "base"}
        known = (file.kind, stored.sha256, stored.size_bytes, "a.en", file.media_type)
        made.append(Artifact(*known, facts))
    with resources.database.begin() as connection:
        assets.save_artifacts(connection, asset_id, "work", made, variant="work")


def test_captions_of_an_upper_track_are_not_used(
    resources: StepResources, open_context: Opener, materials: dict[str, str]
) -> None:
    below, above = ({"path": materials[n], "start": 0, "end": 1} for n in ("mute", "film"))
    timeline = {"tracks": [[below], [above]], "output": {"width": 160, "height": 90, "fps": 25}}
    _, upper = run_plan(resources, open_context, timeline)["open"]["asset_ids"]
    caption(resources, upper)
    error = reject(resources, open_context, {**timeline, "captions": "en"})
    assert error.code == "captions_not_found"


def test_changed_title_or_overlay_renders_only_pieces_under_it(
    resources: StepResources, open_context: Opener, materials: dict[str, str]
) -> None:
    logo = {"path": materials["logo"], "from": 0.3, "to": 0.5}
    pieces = []
    for more in (
        {"titles": [{"text": "a", "to": 0.2}], "overlays": [logo]},
        {"titles": [{"text": "b", "to": 0.2}], "overlays": [logo]},
        {"titles": [{"text": "b", "to": 0.2}], "overlays": [{**logo, "opacity": 0.5}]},
        {"titles": [{"text": "a", "to": 0.2}], "overlays": [logo]},
    ):
        timeline = make_timeline(materials, **more)
        pieces.append(run_plan(resources, open_context, timeline)["join"]["pieces"]["reused"])
    assert pieces == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("more", "code", "name"),
    [
        ({"overlays": [{"path": "logo"}, {"path": "none"}]}, "source_not_found", "Overlay 1: "),
        ({"overlays": [{"path": "music"}]}, "media_no_video", "Overlay 0: "),
        ({"overlays": [{"path": "film", "start": 0.5}]}, "clip_past_end", "Overlay 0: "),
        ({"sounds": [{"path": "logo"}]}, "media_no_sound", "Sound 0: "),
        ({"sounds": [{"path": "music", "start": 9}]}, "clip_past_end", "Sound 0: "),
        ({"sounds": [{"path": "/etc/hostname"}]}, "path_forbidden", "Sound 0: "),
    ],
)
def test_rejected_overlay_or_audio_is_named(
    resources: StepResources,
    open_context: Opener,
    materials: dict[str, str],
    tmp_path: Path,
    more: dict[str, list[dict[str, Any]]],
    code: str,
    name: str,
) -> None:
    paths = {**materials, "none": str(tmp_path / "none.png")}
    laid = {
        key: [{**one, "path": paths.get(one["path"], one["path"])} for one in many]
        for key, many in more.items()
    }
    error = reject(resources, open_context, make_timeline(materials, **laid))
    assert error.code == code
    assert error.message.startswith(name)
