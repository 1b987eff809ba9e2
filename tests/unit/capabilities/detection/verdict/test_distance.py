"""Distance from the training data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.verdict.distance import fit_distance, summarize_distances

pytestmark = pytest.mark.property


def draw_rows(seed: int, count: int, dimension: int = 40) -> np.ndarray:
    """Correlated rows: five strong directions and a little of everything."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(5, dimension))
    return random.normal(size=(count, 5)) @ directions + 0.1 * random.normal(
        size=(count, dimension)
    )


def test_distance_of_data_like_the_training_data_is_about_one() -> None:
    reference = fit_distance(draw_rows(1, 400), most_directions=5)
    assert np.median(reference.measure(draw_rows(2, 200))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("direction", ["leading", "other"])
def test_distance_grows_along_every_direction(direction: str) -> None:
    rows = draw_rows(1, 400)
    reference = fit_distance(rows, most_directions=5)
    along = reference.directions[0].astype(float)
    if direction == "other":
        along = np.random.default_rng(5).normal(size=40)
        along -= (along @ reference.directions.T) @ reference.directions
    along /= np.linalg.norm(along)
    spread = (rows - rows.mean(axis=0)) @ along
    steps = reference.mean + np.outer([0, 3, 6, 18], along) * spread.std()
    distances = reference.measure(steps)
    assert (np.diff(distances) > 0).all()
    # Eighteen standard deviations are further than any of 400 faces like the training data.
    assert distances[-1] > reference.measure(draw_rows(2, 400)).max()


@given(st.integers(0, 1000), st.integers(2, 12), st.integers(1, 8), st.integers(0, 10))
def test_distance_is_finite_for_few_rows_and_few_dimensions(
    seed: int, rows: int, dimension: int, directions: int
) -> None:
    features = np.random.default_rng(seed).normal(size=(rows, dimension))
    reference = fit_distance(features, most_directions=directions)
    distances = reference.measure(features * 3)
    assert np.isfinite(distances).all()
    assert (distances >= 0).all()
    assert len(reference.directions) == len(reference.variances) <= directions


def test_training_features_that_are_all_the_same_have_a_reference() -> None:
    reference = fit_distance(np.ones((5, 3)))
    assert reference.measure(np.ones((1, 3)))[0] < 1e-3
    assert reference.measure(np.full((1, 3), 1.1))[0] > 100


def test_distance_does_not_depend_on_the_order_of_dimensions() -> None:
    rows, more = draw_rows(1, 100), draw_rows(2, 10)
    order = np.random.default_rng(0).permutation(40)
    plain, mixed = fit_distance(rows), fit_distance(rows[:, order])
    assert mixed.measure(more[:, order]) == pytest.approx(plain.measure(more), rel=1e-3)


@pytest.mark.parametrize(
    "rows", [np.ones((1, 4)), np.ones(4), np.array([[1.0, np.nan], [0.0, 1.0]])]
)
def test_reference_needs_two_rows_of_finite_numbers(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two rows"):
        fit_distance(rows)


def test_distance_of_a_video_is_the_median_of_its_faces() -> None:
    assert summarize_distances([1.0, 1.2, 99.0]) == 1.2
    with pytest.raises(ValueError, match="no distances"):
        summarize_distances([])
