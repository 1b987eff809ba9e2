"""Evidence maps by covering parts of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemill.capabilities.detection.verdict.evidence_map import (
    Floats,
    Image,
    Images,
    blur_image,
    find_strongest,
    map_evidence,
    plan_occlusions,
)

pytestmark = pytest.mark.property

SIZE = 70


def make_noise(seed: int = 0) -> Image:
    shape = (SIZE, SIZE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def score_detail(top: int, left: int, side: int) -> object:
    """A detector of fine detail in one square of the image."""

    def score(images: Images) -> Floats:
        square = images[:, top : top + side, left : left + side].astype(np.float64)
        detail: Floats = np.abs(np.diff(square, axis=2)).mean(axis=(1, 2, 3))
        return detail

    return score


@settings(max_examples=20)
@given(st.integers(0, 6), st.integers(0, 6))
def test_map_points_to_the_square_that_the_score_depends_on(row: int, column: int) -> None:
    evidence = map_evidence(make_noise(), score_detail(row * 10, column * 10, 10))  # type: ignore[arg-type]
    best = np.unravel_index(int(np.argmax(evidence)), evidence.shape)
    assert (int(best[0]), int(best[1])) == (row, column)
    assert evidence[row, column] > 10


def test_map_of_a_score_that_depends_on_nothing_is_zero() -> None:
    evidence = map_evidence(make_noise(), lambda images: np.full(len(images), 2.5))
    assert evidence.shape == (7, 7)
    assert (evidence == 0).all()


def test_map_is_signed() -> None:
    detail = score_detail(0, 0, 10)
    evidence = map_evidence(make_noise(), lambda images: -detail(images))  # type: ignore[operator]
    assert evidence[0, 0] == evidence.min() < -10


def test_covering_a_flat_image_changes_nothing() -> None:
    flat = np.full((SIZE, SIZE, 3), 77, np.uint8)
    seen: list[Image] = []

    def score(images: Images) -> Floats:
        seen.extend(images)
        return np.zeros(len(images))

    map_evidence(flat, score)
    assert len(seen) == 65
    assert all((image == flat).all() for image in seen)


def test_scores_are_asked_for_in_small_batches() -> None:
    sizes: list[int] = []

    def score(images: Images) -> Floats:
        sizes.append(len(images))
        return np.zeros(len(images))

    map_evidence(make_noise(), score)
    assert sizes[0] == 1
    assert max(sizes) == 8


@given(st.integers(1, 9), st.data())
def test_each_cell_is_covered_equally_often(cells: int, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, cells))
    times = np.zeros((cells, cells), int)
    for one in plan_occlusions(cells, window):
        times[one.top : one.bottom, one.left : one.right] += 1
    assert (times == window**2).all()


@pytest.mark.parametrize("window", [0, 8])
def test_window_outside_the_grid_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match="window"):
        plan_occlusions(7, window)


@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 5, 3), (64, 48, 3)])
def test_blur_keeps_size_and_brightness_and_removes_detail(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    blurred = blur_image(image)
    assert blurred.shape == shape
    assert abs(float(blurred.mean()) - float(image.mean())) < 25
    assert blurred.std() <= image.std()


def test_strongest_cells_hold_the_part_that_was_asked_for() -> None:
    evidence = np.array([[4.0, -9.0], [3.0, 3.0]])
    assert list(find_strongest(evidence, part=0.5)) == [(0, 0), (1, 0)]
    assert list(find_strongest(-np.abs(evidence))) == []
