"""Whose detector analyses use after one was trained or calibrated: never another unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.detection import make_calibration, make_head

from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE
from cinemill.capabilities.detection.ensemble.ensemble_files import read_ensemble, write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
    make_ensemble_of_one,
)
from cinemill.capabilities.detection.ensemble.head_files import write_calibration, write_head
from cinemill.capabilities.detection.runs.train import use_by_default
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path, tmp_path / "models", "ViT-B/32", Limits(), Sandbox())


def read_default(bench: Workbench) -> Ensemble:
    return read_ensemble(bench.ensembles, bench.heads, DEFAULT_ENSEMBLE)


def install_pair(bench: Workbench) -> Ensemble:
    """Let analyses use two heads, one of them on another scale than its own."""
    heads = {"a": make_head("one"), "b": make_head("two", seed=1)}
    for head in heads.values():
        write_head(bench.heads, head)
    pair = make_ensemble(
        {**heads, "a": heads["a"].rescale(2.0, 4.0)}, {"a": 1, "b": 3}, WeightSource.SETTINGS
    )
    write_ensemble(bench.ensembles, DEFAULT_ENSEMBLE, pair)
    return pair


def test_member_calibrated_alone_does_not_replace_its_ensemble(bench: Workbench) -> None:
    pair = install_pair(bench)
    head = write_calibration(bench.heads, "one", make_calibration(margin=1.0))
    assert not use_by_default(bench, make_ensemble_of_one("a", head), replaces=False)
    assert read_default(bench).subject == pair.subject


@pytest.mark.parametrize("damage", ["mismatch", "damaged", "incomplete"])
def test_ensemble_that_cannot_be_used_is_replaced_only_when_asked(
    bench: Workbench, damage: str
) -> None:
    install_pair(bench)
    folder = bench.heads / "two"
    if damage == "damaged":
        (folder / "head.safetensors").write_bytes(b"nothing")
    else:
        folder.rename(bench.home / "away")
    if damage == "mismatch":
        write_head(bench.heads, make_head("two", seed=2))
    path = bench.ensembles / f"{DEFAULT_ENSEMBLE}.json"
    before = path.read_bytes()
    alone = make_ensemble_of_one("a", make_head("one"))
    assert not use_by_default(bench, alone, replaces=False)
    assert path.read_bytes() == before
    assert use_by_default(bench, alone, replaces=True)
    assert read_default(bench).subject == alone.subject


def test_ensemble_is_used_where_there_is_none_or_none_of_its_heads(bench: Workbench) -> None:
    write_head(bench.heads, make_head("one"))
    alone = make_ensemble_of_one("a", make_head("one"))
    assert use_by_default(bench, alone, replaces=False)
    (bench.heads / "one").rename(bench.home / "away")
    write_head(bench.heads, make_head("other", seed=3))
    other = make_ensemble_of_one("a", make_head("other", seed=3))
    assert use_by_default(bench, other, replaces=False)
    assert read_default(bench).subject == other.subject
