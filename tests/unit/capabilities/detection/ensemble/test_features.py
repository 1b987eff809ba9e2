"""Features of several levels, joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.detection import SPACE

from cinemill.capabilities.detection.ensemble.features import (
    FeatureLevel,
    FeatureSpace,
    Normalization,
    check_space,
    join_levels,
    list_differences,
    normalize_rows,
)
from cinemill.errors import InputRejected, ToolMissing

pytestmark = pytest.mark.property


def make_levels(count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        level.name: random.normal(size=(count, level.dimension)).astype(np.float16)
        for level in SPACE.levels
    }


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_joined_levels_do_not_depend_on_the_scale_of_any(one: float, other: float) -> None:
    levels = {name: rows.astype(np.float32) for name, rows in make_levels().items()}
    scaled = {"low": levels["low"] * one, "pooled": levels["pooled"] * other}
    assert join_levels(scaled, SPACE) == pytest.approx(join_levels(levels, SPACE), abs=1e-5)


def test_joined_rows_have_length_one_and_equal_levels() -> None:
    joined = join_levels(make_levels(), SPACE)
    assert joined.dtype == np.float32
    assert joined.shape == (3, 10)
    assert np.linalg.norm(joined, axis=1) == pytest.approx(1)
    assert np.linalg.norm(joined[:, :4], axis=1) == pytest.approx(np.sqrt(0.5))


def test_joined_levels_are_in_the_order_of_the_space() -> None:
    levels = make_levels()
    backwards = dict(reversed(levels.items()))
    assert (join_levels(backwards, SPACE) == join_levels(levels, SPACE)).all()
    assert join_levels(levels | {"more": levels["low"]}, SPACE).shape == (3, 10)


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e30])
def test_extreme_rows_stay_finite(value: float) -> None:
    rows = normalize_rows(np.full((2, 5), value, np.float32))
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1 if value else 0)


def test_logit_of_a_whole_detector_keeps_its_length() -> None:
    space = FeatureSpace(
        model="mine",
        revision="r",
        preprocessing="p",
        levels=(FeatureLevel(name="logit", dimension=1),),
        normalization=Normalization.NONE,
    )
    assert join_levels({"logit": np.array([[-3.0], [7.0]])}, space).tolist() == [[-3.0], [7.0]]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"low": None}, "low is missing"),
        ({"low": np.zeros((3, 5))}, "low is not N × 4"),
        ({"low": np.zeros(4)}, "low is not N × 4"),
        ({"low": np.zeros((2, 4))}, "different numbers of rows"),
        ({"low": np.full((3, 4), np.nan)}, "not finite"),
        ({"pooled": np.full((3, 6), np.inf)}, "not finite"),
    ],
)
def test_unusable_features_are_refused(changes: dict[str, object], problem: str) -> None:
    levels = {name: rows for name, rows in {**make_levels(), **changes}.items() if rows is not None}
    with pytest.raises(InputRejected, match=problem) as refused:
        join_levels(levels, SPACE)  # type: ignore[arg-type]
    assert refused.value.code == "features_invalid"


def test_same_space_has_no_differences() -> None:
    check_space(SPACE, SPACE.model_copy(), "tiny-head")
    assert FeatureSpace.model_validate_json(SPACE.model_dump_json()) == SPACE


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"model": "other"}, "its model is tiny, not other"),
        ({"revision": "b"}, "its revision is"),
        ({"preprocessing": "crop-2"}, "its preprocessing is crop-1.3-v1, not crop-2"),
        ({"levels": SPACE.levels[::-1]}, "its levels is low (4), pooled (6), not pooled (6), low"),
        ({"normalization": Normalization.NONE}, "its normalization is l2, not none"),
    ],
)
def test_head_of_another_space_is_refused(changes: dict[str, object], difference: str) -> None:
    given_space = SPACE.model_copy(update=changes)
    (found,) = list_differences(SPACE, given_space)
    assert found.startswith(difference)
    with pytest.raises(ToolMissing, match="trained on other features") as refused:
        check_space(SPACE, given_space, "tiny-head")
    assert refused.value.code == "head_mismatch"


@pytest.mark.parametrize(
    "levels",
    [
        (),
        (FeatureLevel(name="a", dimension=1),) * 2,
        tuple(FeatureLevel(name=name, dimension=60_000) for name in "ab"),
    ],
)
def test_impossible_levels_are_refused(levels: tuple[FeatureLevel, ...]) -> None:
    with pytest.raises(ValidationError):
        FeatureSpace(model="m", revision="r", preprocessing="p", levels=levels)
