"""The commands of the tutorial, as they are printed, on real faces with real models."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.detectors import BACKBONE, FACE_DETECTOR
from tests.integration.docs.markdown_pages import ROOT, parse_page
from tests.model_files import link_models
from tools.samples import main as fetch_samples
from typer.testing import CliRunner, Result

from cinemill.capabilities.detection.detector import DetectorOptions, load_detector
from cinemill.capabilities.detection.ensemble.head_files import read_head
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.findings import Work, decide_findings
from cinemill.capabilities.detection.runs.examined_videos import Examiner
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.verdict.calibration import STARTER_MARGIN
from cinemill.cli.arguments.application import ApplicationGroup
from cinemill.cli.commands.detect import training
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox

PAGE = ROOT / "docs" / "tutorial" / "train-a-detector.md"
FACE_MESH = "mediapipe-face-mesh"


def make_app() -> typer.Typer:
    app = typer.Typer(cls=ApplicationGroup, rich_markup_mode=None, pretty_exceptions_enable=False)
    for command in (training.train, training.calibrate, training.evaluate):
        app.command()(command)
    return app


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(make_app(), list(arguments), catch_exceptions=False)


def list_commands() -> Iterator[list[str]]:
    """Yield the words of each command of the page that its test runs."""
    page = parse_page(PAGE, PAGE.read_text("utf-8"))
    for block in page.blocks:
        if block.is_shell and Path(__file__).name in block.reason:
            yield from (shlex.split(line) for line in block.text.splitlines() if line.strip())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    link_models(home / "models", FACE_DETECTOR, BACKBONE, FACE_MESH)
    monkeypatch.setenv("CINEMILL_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


def test_training_tutorial_runs_as_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: dict[str, str] = {}
    video = Path()
    for words in list_commands():
        match words:
            case ["python", "tools/samples.py", *arguments]:
                monkeypatch.setattr("sys.argv", ["samples.py", *arguments])
                assert not fetch_samples()
            case ["cinemill", "detect", ("train" | "calibrate" | "evaluate") as command, *rest]:
                result = invoke(command, *rest)
                assert result.exit_code == 0, result.output
                printed[command] = result.stdout
            case ["cinemill", "detect", path]:
                video = Path(path)
            case _:
                pytest.fail(f"no step of this test: {words}")
    assert list(printed) == ["train", "calibrate", "evaluate"]

    head = read_head(home / "heads", "mine")
    assert head.grade is Grade.STARTER
    (data,) = head.training.datasets
    assert (data.identities, data.videos) == (3, 3)
    assert data.licence == "samples, for trying out only"
    assert head.training.metrics["control_identity"] == 0.5
    assert "3 videos of 3 people" in printed["train"]
    assert str(Path.cwd()) not in head.training.command
    assert head.calibration is not None
    assert head.calibration.margin == STARTER_MARGIN
    assert not head.calibration.can_decide
    assert "Below 19 of each class it promises nothing" in printed["calibrate"]
    check_report(json.loads(Path("report/mine-evaluation.json").read_text("utf-8")))
    assert "Evaluation of mine" in Path("report/mine-evaluation.html").read_text("utf-8")
    assert not list((home / "training" / "unfinished").iterdir())
    assert find_verdict(home, video) == "inconclusive"


def check_report(report: dict[str, object]) -> None:
    shown = json.dumps(report)
    assert "near_duplicate" in shown, "the leak that the page speaks of"
    assert "1 people are too few for intervals." in shown
    assert "Trained on 3 videos of 3 people" in shown


def find_verdict(home: Path, video: Path) -> str:
    """Return the verdict of the detector that analyses use."""
    options = DetectorOptions(home, home / "models", "openai/clip-vit-base-patch32")
    detector = load_detector(options)
    assert detector is not None
    assert [head.name for head in detector.ensemble.heads.values()] == ["mine"]
    assert detector.ensemble.calibration is not None
    bench = Workbench(home, home / "models", options.clip_model, Limits(), detect_sandbox())
    faces = Examiner(bench, detector, 6).examine(video).faces
    return decide_findings(faces, detector, Work(1.0, {}, False), frames=6).result.verdict
