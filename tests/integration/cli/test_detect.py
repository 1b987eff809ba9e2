"""``cinemill detect`` with a real server, real videos and real models."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.detectors import install_detector, link_detector_models
from tests.films import make_film
from tests.integration.cli.test_process import command, environment_of, running_server
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch
from typer.testing import CliRunner

from cinemill.cli.main import app

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the environment of commands that use a running server with models and no head."""
    folder = tmp_path_factory.mktemp("server")
    environment = environment_of(folder / "home")
    link_detector_models(folder / "home" / "models")
    with running_server(environment, folder / "up.log"):
        yield environment


@pytest.fixture
def home(environment: dict[str, str]) -> Iterator[Path]:
    """Return the server's home; heads are removed after each test."""
    home = Path(environment["CINEMILL_HOME"])
    yield home
    for folder in ("heads", "ensembles"):
        shutil.rmtree(home / folder, ignore_errors=True)


@pytest.fixture
def cinemill(environment: dict[str, str], home: Path) -> Run:
    """Return a function that runs a command in this process, which spares it the imports."""
    return lambda *arguments: CliRunner().invoke(
        app, [str(argument) for argument in arguments], env=environment
    )


@pytest.fixture
def selftest(environment: dict[str, str], home: Path) -> Run:
    """Return a function that runs the self-test in a process of its own, as it loads models."""
    return lambda *arguments: subprocess.run(
        command("detect", "selftest", *arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return the first half of a video."""
    whole = make_film(tmp_path / "whole.mkv", seconds=4)
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    return half


def detect(cinemill: Run, *arguments: object) -> dict[str, Any]:
    done = cinemill("detect", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return dict(found)


def test_detect_without_a_head_says_no_model(cinemill: Run) -> None:
    found = detect(cinemill, fetch("single_face"))
    assert (found["verdict"], found["score"], found["reasons"]) == ("no_model", None, ["no_model"])
    shown = cinemill("detect", fetch("single_face"))
    assert shown.exit_code == 0
    assert "no model" in shown.stdout
    assert "cinemill detect heads add" in shown.stderr


def test_detect_decides_with_a_head_and_the_second_run_is_a_hit(cinemill: Run, home: Path) -> None:
    install_detector(home, 3.0)
    first = detect(cinemill, fetch("single_face"))
    assert (first["verdict"], first["cache_hit"]) == ("likely_manipulated", False)
    assert (first["frame_count"], first["reasons"]) == (32, ["score_high"])
    assert first["score"] > 0.5
    assert first["faces"]
    again = detect(cinemill, fetch("single_face"))
    by_id = detect(cinemill, first["asset_id"])
    assert again["cache_hit"]
    assert by_id["cache_hit"]
    for name in ("verdict", "score", "faces", "regions", "versions", "asset_id"):
        assert first[name] == again[name] == by_id[name]
    shown = cinemill("detect", fetch("single_face")).stdout
    assert "likely manipulated" in shown
    assert "At most 5% of unmanipulated videos" in shown
    assert "█" in shown


def test_detect_of_a_folder_reports_each_video(cinemill: Run, home: Path, damaged: Path) -> None:
    install_detector(home, 3.0)
    shutil.copy(fetch("no_face"), damaged.parent / "nobody.mp4")
    (damaged.parent / "notes.txt").write_text("no film")
    done = cinemill("detect", damaged.parent, "--fast", "--json")
    assert done.exit_code == 4, done.stderr
    found = {one["file"]: one for one in json.loads(done.stdout)}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "half.mkv": "failed",
        "nobody.mp4": "no_face",
    }
    assert found["half.mkv"]["error"]["code"] == "media_truncated"
    assert found["nobody.mp4"]["score"] is None


def test_detect_review_takes_an_analysis_out_of_the_queue(cinemill: Run, home: Path) -> None:
    install_detector(home, 0.0)
    found = detect(cinemill, fetch("single_face"), "--fast")
    assert found["verdict"] == "inconclusive"
    listed = json.loads(cinemill("detect", "review", "--json").stdout)
    assert found["analysis_id"] in [one["id"] for one in listed]
    person = ("--reviewer", "Ada", "--reason", "I was there.")
    short = found["analysis_id"][:8]
    verdict = ("--verdict", "no_manipulation_found")
    done = cinemill("detect", "review", "override", short, *verdict, *person)
    assert done.exit_code == 0, done.stderr
    listed = json.loads(cinemill("detect", "review", "--json").stdout)
    assert found["analysis_id"] not in [one["id"] for one in listed]
    (entry,) = json.loads(cinemill("detect", "review", "show", short, "--json").stdout)
    assert (entry["reviewer"], entry["model_verdict"]) == ("Ada", "inconclusive")
    late = cinemill("detect", "review", "accept", short, *person, "--seen", 0)
    assert late.exit_code == 2
    assert "review_conflict" in late.stderr


def test_detect_selftest_without_a_head_is_honest(selftest: Run) -> None:
    done = selftest("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    results = {one["name"]: one["result"] for one in json.loads(done.stdout)}
    assert (results["head"], results["verdict"]) == ("skipped", "ok")
    assert results["cache"] == "skipped"


def test_detect_selftest_passes_every_stage(selftest: Run, home: Path) -> None:
    install_detector(home, 3.0)
    done = selftest("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    stages = {one["name"]: one for one in json.loads(done.stdout)}
    assert {one["result"] for one in stages.values()} == {"ok"}
    assert list(stages)[-4:] == ["decoding", "faces", "verdict", "cache"]
    assert stages["verdict"]["detail"] == "no face"
