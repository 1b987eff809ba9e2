"""``cinemill detect heads`` and ``ensemble``: the registry of a home, changed by commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.detection import OPTIONS, make_calibration_videos, make_head
from tests.detectors import BACKBONE, make_constant_head

from cinemill.capabilities.detection.detector import (
    CLIP,
    DEFAULT_WEIGHTS,
    RESNET50,
    describe_space,
)
from cinemill.capabilities.detection.ensemble.fusion import make_ensemble_of_one
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.capabilities.detection.verdict.calibration import fit_calibration
from cinemill.cli.commands.detect.registry import open_registry
from cinemill.cli.commands.detect.selftest import Result, run_stages
from cinemill.cli.commands.doctor.check import Level
from cinemill.cli.commands.doctor.checks import check_detection
from cinemill.cli.exit_codes import ExitCode
from cinemill.config import Settings
from cinemill.inference.models.catalog import get_card

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def write_given(folder: Path, name: str = "mine", *, logit: float = 1.0) -> Path:
    """Write a calibrated head outside the registry and return its folder."""
    head = make_constant_head(logit, name=name)
    videos = [replace(video, distances={}) for video in make_calibration_videos()]
    subject = make_ensemble_of_one(BACKBONE, head).subject
    calibration = fit_calibration(videos, replace(OPTIONS, subject=subject))
    return write_head(folder, replace(head, calibration=calibration))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return write_given(tmp_path / "given").rename(tmp_path / "downloaded")


def list_rows(cinemill: Run) -> dict[str, dict[str, Any]]:
    found = json.loads(cinemill("detect", "heads", "list", "--json").stdout)
    return {row["name"]: row for row in found}


def test_heads_list_without_heads_names_the_commands_that_help(cinemill: Run) -> None:
    done = cinemill("detect", "heads", "list")
    assert done.exit_code == ExitCode.OK
    assert "cinemill detect heads add" in done.stderr
    assert list_rows(cinemill) == {}
    assert "No head is installed" in cinemill("detect", "ensemble", "show").stderr
    assert json.loads(cinemill("detect", "ensemble", "show", "--json").stdout) is None


def test_heads_add_installs_the_first_head_for_analyses(
    cinemill: Run, home: Path, given: Path
) -> None:
    added = cinemill("detect", "heads", "add", given)
    assert added.exit_code == ExitCode.OK, added.output
    assert "Analyses use it from now on." in added.stderr
    assert (home / "heads" / "mine" / "head.safetensors").is_file()
    row = list_rows(cinemill)["mine"]
    assert (row["state"], row["model"], row["ensembles"]) == ("here", BACKBONE, ["default"])
    assert (row["metrics"], row["calibrated_videos"]) == ({"auc": 0.8}, 100)
    assert "mine" in cinemill("detect", "heads", "list").stdout
    ensemble = json.loads(cinemill("detect", "ensemble", "show", "--json").stdout)
    assert [one["head"] for one in ensemble["members"]] == ["mine"]
    assert ensemble["calibration"]["manipulated_videos"] == 50


def test_heads_add_keeps_the_head_that_is_in_use(
    cinemill: Run, given: Path, tmp_path: Path
) -> None:
    cinemill("detect", "heads", "add", given)
    other = write_given(tmp_path / "others", "other", logit=2.0)
    added = json.loads(cinemill("detect", "heads", "add", other, "--json").stdout)
    assert not added["in_use"]
    again = cinemill("detect", "heads", "add", other)
    assert again.exit_code == ExitCode.USAGE
    assert "head_exists" in again.stderr
    renamed = cinemill("detect", "heads", "add", other, "--name", "another")
    assert "cinemill detect ensemble set another" in renamed.stderr
    assert list(list_rows(cinemill)) == ["another", "mine", "other"]


def test_heads_show_states_data_licences_and_figures(cinemill: Run, given: Path) -> None:
    cinemill("detect", "heads", "add", given)
    shown = cinemill("detect", "heads", "show", "mine").stdout
    for words in ("made up: 50 people, 100 videos (CC0-1.0)", "auc 0.8", "0.05 false alarms"):
        assert words in shown
    document = json.loads(cinemill("detect", "heads", "show", "mine", "--json").stdout)
    assert document["training"]["command"] == "cinemill detect train --real faces"
    missing = cinemill("detect", "heads", "show", "none")
    assert missing.exit_code == ExitCode.USAGE
    assert "cinemill detect heads list" in missing.stderr


def test_heads_list_names_what_is_wrong_with_a_head(cinemill: Run, home: Path, given: Path) -> None:
    cinemill("detect", "heads", "add", given)
    tensors = home / "heads" / "mine" / "head.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"!")
    row = list_rows(cinemill)["mine"]
    assert row["state"] == "damaged"
    assert "sha256" in row["problem"]
    assert "sha256" in cinemill("detect", "heads", "list").stderr


@pytest.mark.parametrize("name", ["manifest.json", "head.safetensors"])
def test_heads_add_rejects_a_folder_without_a_head(
    cinemill: Run, home: Path, given: Path, name: str
) -> None:
    (given / name).unlink()
    done = cinemill("detect", "heads", "add", given)
    assert done.exit_code == ExitCode.REJECTED
    assert "head_unreadable" in done.stderr
    assert name in done.stderr
    assert not (home / "heads").exists()


@pytest.mark.parametrize(
    ("model", "code"), [("nobody-knows", "model_unknown"), ("tiny.en", "model_unsuitable")]
)
def test_heads_add_rejects_a_head_of_no_usable_model(
    cinemill: Run, home: Path, tmp_path: Path, model: str, code: str
) -> None:
    head = make_head()
    head = replace(head, space=head.space.model_copy(update={"model": model}))
    folder = write_head(tmp_path / "given", head)
    done = cinemill("detect", "heads", "add", folder)
    assert done.exit_code == ExitCode.UNAVAILABLE
    assert code in done.stderr
    assert not (home / "heads").exists()


def test_heads_remove_keeps_a_head_in_use_unless_forced(
    cinemill: Run, home: Path, given: Path
) -> None:
    cinemill("detect", "heads", "add", given)
    refused = cinemill("detect", "heads", "remove", "mine")
    assert refused.exit_code == ExitCode.USAGE
    assert "head_in_use" in refused.stderr
    forced = json.loads(cinemill("detect", "heads", "remove", "mine", "--force", "--json").stdout)
    assert forced == {"removed": "mine", "removed_ensembles": ["default"]}
    assert list_rows(cinemill) == {}
    assert not list((home / "ensembles").iterdir())
    assert cinemill("detect", "heads", "remove", "mine").exit_code == ExitCode.USAGE


@pytest.mark.parametrize("name", ["..", "../heads", "/", "A"])
def test_heads_remove_takes_no_paths(cinemill: Run, home: Path, given: Path, name: str) -> None:
    cinemill("detect", "heads", "add", given)
    done = cinemill("detect", "heads", "remove", name, "--force")
    assert done.exit_code == ExitCode.REJECTED
    assert "head_name" in done.stderr
    assert (home / "heads" / "mine").is_dir()


def test_ensemble_set_takes_the_calibration_of_a_single_head(
    cinemill: Run, given: Path, tmp_path: Path
) -> None:
    cinemill("detect", "heads", "add", given)
    cinemill("detect", "heads", "add", write_given(tmp_path / "others", "other", logit=2.0))
    done = json.loads(cinemill("detect", "ensemble", "set", "other=3", "--json").stdout)
    assert [(one["head"], one["weight"]) for one in done["members"]] == [("other", 1.0)]
    assert done["calibration"] is not None
    assert list_rows(cinemill)["other"]["ensembles"] == ["default"]
    assert cinemill("detect", "heads", "remove", "mine").exit_code == ExitCode.OK


def test_ensemble_set_rejects_two_heads_of_one_model(
    cinemill: Run, given: Path, tmp_path: Path
) -> None:
    cinemill("detect", "heads", "add", given)
    cinemill("detect", "heads", "add", write_given(tmp_path / "others", "other", logit=2.0))
    done = cinemill("detect", "ensemble", "set", "mine=0.5", "other=0.5")
    assert done.exit_code == ExitCode.USAGE
    assert "member_twice" in done.stderr
    shown = json.loads(cinemill("detect", "ensemble", "show", "--json").stdout)
    assert [one["head"] for one in shown["members"]] == ["mine"]


@pytest.mark.parametrize(
    ("given_heads", "weights", "source"),
    [
        (["my-resnet", "my-clip"], {"resnet50": 0.6, "clip": 0.4}, "default"),
        (["my-clip", "my-resnet"], {"resnet50": 0.6, "clip": 0.4}, "default"),
        (["my-resnet=1", "my-clip=1"], {"resnet50": 0.5, "clip": 0.5}, "settings"),
        (["my-resnet=3", "my-clip"], {"resnet50": 0.75, "clip": 0.25}, "settings"),
        (["my-resnet", "mine"], {"resnet50": 0.5, BACKBONE: 0.5}, "default"),
        (["my-clip"], {"clip": 1.0}, "default"),
    ],
)
def test_ensemble_set_has_default_weights(
    cinemill: Run,
    home: Path,
    given: Path,
    given_heads: list[str],
    weights: dict[str, float],
    source: str,
) -> None:
    cinemill("detect", "heads", "add", given)
    for name, model in (("my-resnet", "resnet50"), ("my-clip", "clip-vit-b32")):
        space = describe_space(get_card(model))
        head = replace(
            make_constant_head(1.0, name=name),
            space=space,
            weights=np.zeros(space.dimension, np.float32),
        )
        write_head(home / "heads", head)
    done = cinemill("detect", "ensemble", "set", *given_heads, "--json")
    assert done.exit_code == ExitCode.OK, done.output
    document = json.loads(done.stdout)
    assert document["weights_from"] == source
    found = {one["name"]: one["weight"] for one in document["members"]}
    assert found == pytest.approx(weights)


def test_default_weights_are_those_of_the_settings() -> None:
    settings = Settings()
    assert {
        RESNET50: settings.ensemble_weight_resnet50,
        CLIP: settings.ensemble_weight_clip,
    } == DEFAULT_WEIGHTS


@pytest.mark.parametrize("weight", ["-1", "0", "nan", "inf"])
def test_ensemble_set_rejects_weights_that_are_none(
    cinemill: Run, given: Path, weight: str
) -> None:
    cinemill("detect", "heads", "add", given)
    done = cinemill("detect", "ensemble", "set", f"mine={weight}")
    assert done.exit_code == ExitCode.REJECTED
    assert "ensemble_weights" in done.stderr


def test_doctor_names_the_heads_in_use(cinemill: Run, home: Path, given: Path) -> None:
    (found,) = check_detection(Settings(home=home))
    assert "no head is installed" in found.message
    assert "cinemill detect heads add" in found.hint
    cinemill("detect", "heads", "add", given)
    (found,) = check_detection(Settings(home=home))
    assert (found.level, found.message) == (Level.OK, "mine")


def test_selftest_stops_at_a_damaged_head(cinemill: Run, home: Path, given: Path) -> None:
    cinemill("detect", "heads", "add", given)
    (home / "heads" / "mine" / "head.safetensors").write_bytes(b"nothing")
    (stage,) = run_stages(open_registry(), None, quiet=True)
    assert (stage.name, stage.result) == ("head", Result.FAILED)
    assert "cannot be used" in stage.detail


def test_heads_add_replaces_an_ensemble_without_any_head(
    cinemill: Run, home: Path, given: Path, tmp_path: Path
) -> None:
    cinemill("detect", "heads", "add", given)
    shutil.rmtree(home / "heads" / "mine")
    assert "No head is installed" in cinemill("detect", "ensemble", "show").stderr
    added = cinemill("detect", "heads", "add", write_given(tmp_path / "others", "other"), "--json")
    assert json.loads(added.stdout)["in_use"]
    assert "other" in cinemill("detect", "ensemble", "show").stdout
