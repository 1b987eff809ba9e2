"""Training that stops and goes on, what it refuses, and what calibration learns from people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tests.detectors import BACKBONE, FACE_DETECTOR
from tests.faces import read_pictures
from tests.integration.detection.test_training_tutorial import FACE_MESH, invoke
from tests.model_files import link_models
from tools.samples import fetch

from cinemill.capabilities.detection.datasets.own_folder import read_reals
from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.ensemble.fusion import Ensemble, WeightSource
from cinemill.capabilities.detection.ensemble.head_files import read_head
from cinemill.capabilities.detection.evaluation.reencoding import Reencoding
from cinemill.capabilities.detection.evaluation.robustness import ROBUSTNESS_GRID
from cinemill.capabilities.detection.runs.calibrate import ReviewedVideo, list_reviewed
from cinemill.capabilities.detection.runs.examined_videos import Examiner
from cinemill.capabilities.detection.runs.face_search import SearchPlan, hash_frame, search_faces
from cinemill.capabilities.detection.runs.face_store import FaceStore
from cinemill.capabilities.detection.runs.progress import RunProgress, RunState
from cinemill.capabilities.detection.runs.train import TrainingRequest, train
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.errors import CinemillError, Conflict, InputRejected
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.probe.probe import probe

PEOPLE = ("single_face", "obama_speech", "carphone")


class Recorder:
    """Keeps what a run reports, and stops it at a sentence as Ctrl-C would."""

    def __init__(self, stop_at: str = "") -> None:
        self.states: list[RunState] = []
        self.stop_at = stop_at

    def show(self, state: RunState) -> None:
        self.states.append(state)
        if self.stop_at and state.sentence.startswith(self.stop_at):
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of numbered images for each of three people."""
    folder = tmp_path_factory.mktemp("faces")
    for person in PEOPLE:
        (folder / person).mkdir()
        for number, pixels in enumerate(read_pictures(person, 2)):
            Image.fromarray(pixels).save(folder / person / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    link_models(folder, FACE_DETECTOR, BACKBONE, FACE_MESH)
    return folder


def make_bench(home: Path, models: Path, recorder: Recorder) -> Workbench:
    return Workbench(
        home,
        models,
        "openai/clip-vit-base-patch32",
        Limits(),
        detect_sandbox(),
        may_fetch=False,
        progress=RunProgress(recorder.show),
    )


def make_request(faces: Path) -> TrainingRequest:
    return TrainingRequest("tiny", read_reals(faces).records, frames=2, takes=1, seed=4)


def save_frames(folder: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Write a video as a folder of numbered images."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")


def draw_title(number: int) -> NDArray[np.uint8]:
    """A picture of a title that moves."""
    image = Image.new("RGB", (640, 360), (20, 30, 90))
    drawing = ImageDraw.Draw(image)
    for place in range(6):
        left, top = (97 * place * (number + 1)) % 560, (71 * place + 53 * number) % 300
        drawing.rectangle((left, top, left + 110, top + 50), fill=(255, 40 * place, 30 * number))
    return np.asarray(image)


TITLE_FRAMES, FACE_FRAMES = 8, 4


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos with a title that is longer than the rest; the last shows the first's footage."""
    folder = tmp_path_factory.mktemp("titled")
    title = [draw_title(number) for number in range(TITLE_FRAMES)]
    first, second = (read_pictures(one, FACE_FRAMES) for one in ("single_face", "expressive_face"))
    for name, pictures in {"anna": first, "bert": second, "same": first}.items():
        save_frames(folder / name, [*title, *pictures])
    return folder


def test_shared_title_joins_nobody_and_shared_footage_does(
    titled: Path, models: Path, tmp_path: Path
) -> None:
    hashes = [hash_frame(draw_title(number)) for number in range(TITLE_FRAMES)]
    assert len({*hashes} - {None}) == TITLE_FRAMES
    records = read_reals(titled).records
    bench = make_bench(tmp_path, models, Recorder())
    bench.progress.plan({"faces": 1})
    bench.progress.enter("faces", "Finding faces")
    plan = SearchPlan(TITLE_FRAMES + FACE_FRAMES, (128,))
    found = search_faces(bench, records, plan, FaceStore(tmp_path / "faces"))
    assert {len(one.hashes) for one in found.lists.values()} == {FACE_FRAMES}
    assert found.identities == {
        "folder:anna": "folder:anna",
        "folder:bert": "folder:bert",
        "folder:same": "folder:anna",
    }


def test_examined_video_keeps_the_hashes_of_its_faces_only(models: Path, tmp_path: Path) -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    save_frames(tmp_path / "video", [black, draw_title(1), *read_pictures("single_face", 2)])
    detector = Detector(Ensemble((), WeightSource.DEFAULT), {})
    examiner = Examiner(make_bench(tmp_path, models, Recorder()), detector, frames=4)
    examined, again = (examiner.examine(tmp_path / "video") for _ in range(2))
    assert (examined.is_reused, again.is_reused) == (False, True)
    assert examined.frame_hashes == again.frame_hashes
    assert [one is None for one in examined.frame_hashes] == [True, False, False, False]
    assert examined.hashes == again.hashes == examined.frame_hashes[2:]


def test_stopped_training_is_resumed_and_gives_the_same_head(
    faces: Path, models: Path, tmp_path: Path
) -> None:
    request = make_request(faces)
    whole = train(make_bench(tmp_path / "whole", models, Recorder()), request)
    stopped = Recorder("Measuring the control")
    home = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(make_bench(home, models, stopped), request)
    assert not (home / "heads").exists()
    with pytest.raises(Conflict) as refused:
        train(make_bench(home, models, Recorder()), request)
    assert refused.value.code == "training_unfinished"

    resumed = Recorder()
    again = train(make_bench(home, models, resumed), replace(request, resumes=True))
    assert again.ensemble.subject == whole.ensemble.subject
    assert again.is_default
    shares = [state.share for state in resumed.states]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not list((home / "training" / "unfinished").iterdir()), "crops of faces are left"
    with pytest.raises(Conflict) as taken:
        train(make_bench(home, models, Recorder()), request)
    assert taken.value.code == "head_exists"
    assert read_head(home / "heads", "tiny").training.metrics["identities"] == 3


def test_training_on_too_few_people_is_refused_with_the_number(
    faces: Path, models: Path, tmp_path: Path
) -> None:
    records = read_reals(faces).records[:2]
    request = replace(make_request(faces), records=records)
    with pytest.raises(InputRejected) as refused:
        train(make_bench(tmp_path, models, Recorder()), request)
    assert refused.value.code == "training_impossible"
    assert "2 people" in refused.value.message


def test_training_without_its_model_names_the_command(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(CinemillError) as missing:
        train(make_bench(tmp_path, tmp_path / "models", Recorder()), make_request(faces))
    assert missing.value.code == "model_missing"
    assert "cinemill models fetch" in missing.value.hint


@pytest.mark.parametrize("command", ["train", "calibrate", "evaluate"])
def test_missing_extra_is_named_with_its_pip_command(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cinemill.capabilities.detection.runs.workbench.find_spec", lambda _name: None
    )
    name = ["--name", "x"] if command == "train" else ["x", "--blends"]
    result = invoke(command, *name, "--real", str(tmp_path), "--json")
    assert result.exit_code == 3
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "extra_missing"
    assert "pip install 'cinemill[train,faces]'" in error["hint"]


def test_unknown_detector_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEMILL_HOME", str(tmp_path))
    (tmp_path / "person").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "person" / "1.png")
    result = invoke("calibrate", "nobody", "--real", str(tmp_path), "--json")
    assert json.loads(result.stderr)["error"]["code"] == "head_missing"


def test_last_decision_of_people_is_the_truth() -> None:
    videos = [
        ReviewedVideo("a", Path("a"), "likely_manipulated"),
        ReviewedVideo("b", Path("b"), "likely_manipulated"),
        ReviewedVideo("b", Path("b"), "no_manipulation_found"),
        ReviewedVideo("c", Path("c"), "inconclusive"),
    ]
    found = {record.key.name: record.is_fake for record in list_reviewed(videos)}
    assert found == {"a": True, "b": False}


@pytest.mark.parametrize("name", ["h264 400 kb/s 360p", "vp9 crf 36"])
def test_condition_of_the_grid_is_really_encoded(name: str, tmp_path: Path) -> None:
    condition = next(one for one in ROBUSTNESS_GRID if one.name == name)
    reencoding = Reencoding(condition, find_ffmpeg(), Limits(), detect_sandbox())
    source = fetch("carphone_distorted")
    found = probe(reencoding.apply(source, tmp_path), Limits()).video
    before = probe(source, Limits()).video
    assert condition.codec is not None
    assert found.codec == condition.codec.value
    assert found.display_height == before.display_height, "a small video is never enlarged"
