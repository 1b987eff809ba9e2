"""A user's own detector: added, used, calibrated, and a member of an ensemble."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.detectors import BACKBONE, FACE_DETECTOR, make_constant_head
from tests.faces import Pixels, read_pictures
from tests.model_files import link_models
from tests.onnx_files import write_mean_model
from typer.testing import CliRunner

from cinemill.capabilities.detection.detector import DetectorOptions, load_detector
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.capabilities.detection.findings import Work, decide_findings
from cinemill.capabilities.detection.runs.examined_videos import Examiner
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.cli.main import app
from cinemill.inference.models.cards import hash_file
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.storage.analyses.results import Findings

PEOPLE = ("single_face", "obama_speech")
FRAMES = 4
CLIP = "openai/clip-vit-base-patch32"
# A real model, whose opinion is simple: red faces are forged ones.
CARD = """
schema = 1
name = "red-faces"
role = "forgery-detection"
licence = "CC0-1.0"
about = "red faces are forged"
[input]
width = 32
height = 32
mean = [127.5, 127.5, 127.5]
std = [10, 10, 10]
[[outputs]]
dimension = 3
[score]
forged = 0
genuine = 1
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    link_models(home / "models", FACE_DETECTOR, BACKBONE)
    monkeypatch.setenv("CINEMILL_HOME", str(home))
    for person in PEOPLE:
        pictures = read_pictures(person, FRAMES)
        write_video(tmp_path / "real" / person / "1.mp4", pictures)
        write_video(tmp_path / "fake" / "red" / person / "1.mp4", [redden(one) for one in pictures])
    return home


def redden(pixels: Pixels, by: int = 70) -> Pixels:
    shift = np.array([by, 0, 0])
    return np.asarray(np.clip(pixels.astype(np.int16) + shift, 0, 255), np.uint8)


def write_video(path: Path, pictures: list[Pixels]) -> None:
    path.parent.mkdir(parents=True)
    height, width = (side // 2 * 2 for side in pictures[0].shape[:2])
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=1, width=width, height=height, pix_fmt="yuv420p")
        for pixels in pictures:
            cut = np.ascontiguousarray(pixels[:height, :width])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        file.mux(stream.encode(None))


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def decide(home: Path, video: Path) -> Findings:
    """Return what an analysis finds with the detector that analyses use."""
    detector = load_detector(DetectorOptions(home, home / "models", CLIP))
    assert detector is not None
    bench = Workbench(home, home / "models", CLIP, Limits(), detect_sandbox())
    faces = Examiner(bench, detector, FRAMES).examine(video).faces
    return decide_findings(faces, detector, Work(1.0, {}, False), frames=FRAMES)


def test_own_detector_is_used_calibrated_and_a_member(home: Path, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD)
    file = write_mean_model(tmp_path / "red.onnx")
    added = run("models", "add", str(file), "--card", str(tmp_path / "card.toml"))
    assert "Analyses use it from now on." in added.stderr
    assert "cinemill detect calibrate red-faces" in added.stderr
    real, fake = (tmp_path / kind for kind in ("real", "fake"))
    # Of two people, those that are furthest from the others.
    forged = fake / "red" / PEOPLE[1] / "1.mp4"

    before = decide(home, forged).result
    assert (before.verdict, before.reasons) == ("inconclusive", ("not_calibrated",))
    options = ("--real", str(real), "--fake", str(fake), "--rate", "0.4", "--frames", str(FRAMES))
    run("detect", "calibrate", "red-faces", *options, "--json")
    found = decide(home, forged)
    assert found.result.verdict == "likely_manipulated"
    assert decide(home, real / PEOPLE[0] / "1.mp4").result.verdict == "no_manipulation_found"
    report: Any = found.result.report
    (member,) = report["members"]
    assert (member["name"], member["grade"]) == ("red-faces", "external")
    assert "CC0-1.0" in member["training"]["method"]
    assert "red faces are forged" in member["training"]["method"]
    versions: Any = found.result.versions
    assert versions["models"]["red-faces"] == hash_file(file)

    # With a head that was trained here it counts on the scale of its own calibration.
    alone = member["logit"]
    write_head(home / "heads", make_constant_head(0.5))
    run("detect", "ensemble", "set", "red-faces=0.25", "constant=0.75")
    both = decide(home, forged).result
    assert both.reasons == ("not_calibrated",)
    together: Any = both.report
    logits = {one["name"]: one["logit"] for one in together["members"]}
    assert logits[BACKBONE] == pytest.approx(0.5)
    assert 0 < logits["red-faces"] < alone
    run("detect", "calibrate", "default", *options)
    assert decide(home, forged).result.verdict == "likely_manipulated"
    # A member that is calibrated again alone changes nothing in the whole.
    before_again = (home / "ensembles" / "default.json").read_bytes()
    for person in PEOPLE:
        pictures = [redden(one, by=90) for one in read_pictures(person, FRAMES)]
        write_video(tmp_path / "redder" / "red" / person / "1.mp4", pictures)
    redder = [str(tmp_path / "redder") if one == str(fake) else one for one in options]
    again = run("detect", "calibrate", "red-faces", *redder, "--json")
    assert not json.loads(again.stdout)["in_use"]
    assert (home / "ensembles" / "default.json").read_bytes() == before_again
    shown = json.loads(run("detect", "ensemble", "show", "--json").stdout)
    assert shown["calibration"] is not None
    assert {one["name"]: one["weight"] for one in shown["members"]} == {
        "red-faces": 0.25,
        BACKBONE: 0.75,
    }
