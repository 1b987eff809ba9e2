"""Fusion of members, their weights, and ensembles in files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.detection import make_calibration, make_features, make_head

from cinemill.capabilities.detection.ensemble.ensemble_files import (
    read_ensemble,
    write_ensemble,
)
from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    fuse,
    make_ensemble,
    make_ensemble_of_one,
    measure_disagreement,
)
from cinemill.capabilities.detection.ensemble.head_files import write_calibration, write_head
from cinemill.capabilities.detection.ensemble.weight_fit import fit_weights
from cinemill.errors import InputRejected, ToolMissing

pytestmark = pytest.mark.property

DEFAULTS = {"resnet50": 0.6, "clip": 0.4}
LOGITS = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


def make_pair(**weights: float) -> Ensemble:
    heads = {"resnet50": make_head("resnet-head"), "clip": make_head("clip-head", seed=1)}
    return make_ensemble(heads, weights or DEFAULTS, WeightSource.DEFAULT, make_calibration())


@given(LOGITS, LOGITS, st.floats(0, 10))
def test_fused_logit_is_the_weighted_mean_and_rises_with_each_member(
    one: list[float], other: list[float], rise: float
) -> None:
    ensemble = make_pair()
    fused = fuse(ensemble, {"resnet50": one, "clip": other})
    assert fused == pytest.approx(0.6 * np.array(one) + 0.4 * np.array(other), abs=1e-9)
    assert (fuse(ensemble, {"clip": other, "resnet50": np.array(one) + rise}) >= fused - 1e-9).all()


@given(st.floats(1e-3, 1e3), st.floats(0, 1e3))
def test_weights_of_all_members_add_up_to_one(one: float, other: float) -> None:
    weights = [member.weight for member in make_pair(resnet50=one, clip=other).members]
    assert math.fsum(weights) == pytest.approx(1)


def test_missing_member_is_named_and_changes_the_subject() -> None:
    whole = make_pair()
    rest = make_ensemble(
        {"resnet50": whole.heads["resnet50"], "clip": None}, DEFAULTS, WeightSource.DEFAULT
    )
    assert whole.missing == ()
    assert rest.missing == ("clip",)
    assert rest.subject != whole.subject
    assert fuse(rest, {"resnet50": [1.0, 2.0]}).tolist() == [1.0, 2.0]


def test_subject_names_heads_and_weights_in_any_order() -> None:
    heads = make_pair().heads
    backwards = make_ensemble(
        dict(reversed(heads.items())), {"clip": 4.0, "resnet50": 6.0}, WeightSource.SETTINGS
    )
    assert backwards.subject == make_pair().subject
    assert make_pair(resnet50=0.5, clip=0.5).subject != make_pair().subject
    others = {**heads, "clip": make_head("clip-head", seed=2)}
    assert make_ensemble(others, DEFAULTS, WeightSource.DEFAULT).subject != make_pair().subject


def test_fusing_logits_of_other_members_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not of each member"):
        fuse(make_pair(), {"resnet50": [1.0]})
    left_out = make_ensemble(
        {"resnet50": None, "clip": make_head()},
        {"resnet50": 1.0, "clip": 0.0},
        WeightSource.SETTINGS,
    )
    with pytest.raises(ValueError, match="weight"):
        fuse(left_out, {"clip": [1.0]})


@pytest.mark.parametrize(
    "weights",
    [
        {"resnet50": 0.6},
        {"resnet50": 0.6, "clip": 0.4, "more": 1.0},
        {"resnet50": 0.6, "clip": -0.1},
        {"resnet50": 0.0, "clip": 0.0},
        {"resnet50": math.nan, "clip": 1.0},
        {"resnet50": math.inf, "clip": 1.0},
        {"resnet50": 1e308, "clip": 1e308},
    ],
)
def test_impossible_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InputRejected) as refused:
        make_pair(**weights)
    assert refused.value.code == "ensemble_weights"


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9))
def test_disagreement_is_symmetric_and_does_not_change_with_a_shift(
    one: float, other: float, shift: float
) -> None:
    ensemble = make_pair(resnet50=1.0, clip=1.0)
    found = measure_disagreement(ensemble, {"resnet50": one, "clip": other})
    assert found == pytest.approx(abs(one - other) / 2, abs=1e-9)
    moved = measure_disagreement(ensemble, {"clip": one + shift, "resnet50": other + shift})
    assert moved == pytest.approx(found, abs=1e-9)


def test_single_member_cannot_disagree() -> None:
    assert measure_disagreement(make_ensemble_of_one("a", make_head()), {"a": 1.0}) is None


def test_fitted_weights_prefer_the_member_that_knows_more() -> None:
    random = np.random.default_rng(5)
    labels = random.random(2000) < 0.3
    truth = np.where(labels, 1.5, -1.5)
    logits = {
        "good": truth + random.normal(size=2000),
        "weak": truth + random.normal(size=2000) * 3,
        "noise": random.normal(size=2000),
        "inverted": -truth + random.normal(size=2000) * 3,
    }
    weights = fit_weights(logits, labels)
    assert math.fsum(weights.values()) == pytest.approx(1)
    # Of two independent measurements the better weighs as its variance is smaller: nine times.
    assert 0.8 < weights["good"] < 0.95
    assert 0.05 < weights["weak"] < 0.15
    assert weights["noise"] < 0.05
    assert weights["inverted"] == pytest.approx(0, abs=1e-6)


def test_weights_do_not_depend_on_the_order_of_videos() -> None:
    random = np.random.default_rng(6)
    labels = np.arange(200) % 2 == 0
    logits = {name: labels + random.normal(size=200) for name in "ab"}
    order = random.permutation(200)
    shuffled = fit_weights({name: rows[order] for name, rows in logits.items()}, labels[order])
    assert shuffled == pytest.approx(fit_weights(logits, labels), abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "code"),
    [([True] * 4, "calibration_classes"), ([True, True, False, False], "calibration_useless")],
)
def test_weights_cannot_be_fitted_to_useless_scores(labels: list[bool], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        fit_weights({"a": [-1.0, -2.0, 1.0, 2.0], "b": [0.0] * 4}, labels)
    assert refused.value.code == code


def test_ensemble_survives_its_file(tmp_path: Path) -> None:
    ensemble = make_pair()
    for head in ensemble.heads.values():
        write_head(tmp_path / "heads", head)
    write_ensemble(tmp_path / "ensembles", "pair", ensemble)
    found = read_ensemble(tmp_path / "ensembles", tmp_path / "heads", "pair")
    assert found.subject == ensemble.subject
    assert found.calibration == ensemble.calibration
    assert found.weight_source is WeightSource.DEFAULT


def test_ensemble_with_a_head_that_is_gone_has_a_missing_member(tmp_path: Path) -> None:
    ensemble = make_pair()
    write_head(tmp_path, ensemble.heads["clip"])
    write_ensemble(tmp_path, "pair", ensemble)
    assert read_ensemble(tmp_path, tmp_path, "pair").missing == ("resnet50",)


def test_ensemble_with_a_head_that_was_trained_again_is_refused(tmp_path: Path) -> None:
    ensemble = make_pair()
    write_head(tmp_path, ensemble.heads["clip"])
    write_head(tmp_path, make_head("resnet-head", seed=9))
    write_ensemble(tmp_path, "pair", ensemble)
    with pytest.raises(ToolMissing) as refused:
        read_ensemble(tmp_path, tmp_path, "pair")
    assert refused.value.code == "head_mismatch"


def test_damaged_and_missing_ensembles_are_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as refused:
        read_ensemble(tmp_path, tmp_path, "pair")
    assert refused.value.code == "head_missing"
    path = write_ensemble(tmp_path, "pair", make_pair())
    document = json.loads(path.read_text())
    document["members"][1]["name"] = document["members"][0]["name"]
    path.write_text(json.dumps(document))
    with pytest.raises(ToolMissing, match="same name") as refused:
        read_ensemble(tmp_path, tmp_path, "pair")
    assert refused.value.code == "head_damaged"


def test_ensemble_with_a_missing_member_is_not_written(tmp_path: Path) -> None:
    half = make_ensemble({"resnet50": None, "clip": make_head()}, DEFAULTS, WeightSource.DEFAULT)
    with pytest.raises(ValueError, match="missing"):
        write_ensemble(tmp_path, "pair", half)


def test_head_that_is_calibrated_again_leaves_its_ensembles_as_they_are(tmp_path: Path) -> None:
    heads = {"resnet50": make_head("resnet-head"), "clip": make_head("clip-head", seed=1)}
    for head in heads.values():
        write_head(tmp_path, head)
    rescaled = {**heads, "resnet50": heads["resnet50"].rescale(2.0, 4.0)}
    ensemble = make_ensemble(rescaled, DEFAULTS, WeightSource.DEFAULT, make_calibration())
    assert ensemble.subject != make_pair().subject
    write_ensemble(tmp_path, "pair", ensemble)
    write_calibration(tmp_path, "resnet-head", make_calibration(margin=1.0))
    found = read_ensemble(tmp_path, tmp_path, "pair")
    assert found.subject == ensemble.subject
    features = make_features(5)
    own = heads["resnet50"].score(features)
    assert found.heads["resnet50"].score(features) == pytest.approx((own - 2.0) / 4.0)
    # Written once more, as a calibration of the whole does, it is still the same.
    write_ensemble(tmp_path, "pair", found)
    assert read_ensemble(tmp_path, tmp_path, "pair").subject == ensemble.subject
