"""``cinemill models``: installed and missing models, and errors of downloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.cli.exit_codes import ExitCode
from cinemill.inference.models.catalog import MODELS

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def test_models_list_shows_size_and_licence(cinemill: Run) -> None:
    done = cinemill("models", "list", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == MODELS.keys()
    assert {row["state"] for row in rows.values()} == {"missing"}
    assert rows["large"]["size_bytes"] > 3 * 10**9
    assert {row["licence"] for row in rows.values()} == {"MIT", "Apache-2.0"}
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
    assert done.exit_code == ExitCode.REJECTED
    assert "translation_impossible" in done.stderr
    assert "base" in done.stderr
