"""Pixels at another size, position and angle keep what the picture shows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cinemill.inference.vision import resampling
from cinemill.inference.vision.resampling import (
    make_square_matrix,
    map_points,
    reduce_by_blocks,
    resize,
    sample_affine,
)

Pixels = NDArray[np.uint8]


def make_ramp(width: int = 64, height: int = 48) -> Pixels:
    """Return a picture whose red grows with x and whose green grows with y, at pixel middles."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([x * 2, y * 2, np.full_like(x, 7)], axis=-1).astype(np.uint8)


def test_same_size_is_the_same_picture() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    assert resize(picture, 53, 37) is picture
    whole = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert np.array_equal(sample_affine(picture, whole, 53, 37), picture)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3)])
def test_picture_without_pixels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no picture of 8×8"):
        resize(np.zeros(shape, np.uint8), 8, 8)


def test_inside_of_a_slightly_reduced_picture_is_that_of_pillow() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(picture).resize((60, 45), Image.Resampling.BILINEAR))
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(resize(picture, 60, 45)[inner].astype(int) - wanted[inner]).max() <= 2


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 255),
)
def test_plain_picture_stays_plain_at_any_size(
    width: int, height: int, to_width: int, to_height: int, value: int
) -> None:
    picture = np.full((height, width, 3), value, np.uint8)
    resized = resize(picture, to_width, to_height)
    assert resized.shape == (to_height, to_width, 3)
    assert (resized == value).all()


@pytest.mark.parametrize(("width", "height"), [(32, 24), (16, 12), (21, 17), (128, 96)])
def test_resized_ramp_is_a_ramp(width: int, height: int) -> None:
    resized = resize(make_ramp(), width, height).astype(int)
    x = (np.arange(width) + 0.5) * 64 / width * 2
    inner = slice(2, -2)
    assert np.abs(resized[height // 2, inner, 0] - x[inner]).max() <= 2


@pytest.mark.parametrize("width", [267, 230, 200, 133, 100, 53])
def test_fine_detail_becomes_grey_not_a_pattern(width: int) -> None:
    """Single pixels are black or white; blocks of three already differ by a third."""
    lines = np.zeros((64, 400, 3), np.uint8)
    lines[:, ::2] = 255
    reduced = resize(lines, width, round(64 * width / 400)).astype(int)
    assert np.abs(reduced[:, 2:-2] - 127.5).max() <= 45


def test_blocks_are_averaged_and_the_last_is_filled_from_the_edge() -> None:
    row = np.array([[[10], [20], [30], [50], [90]]], np.uint8)
    assert reduce_by_blocks(row, 2)[0, :, 0].tolist() == [15.0, 40.0, 90.0]


def test_blocks_of_a_large_white_picture_do_not_overflow() -> None:
    white = np.full((520, 520, 3), 255, np.uint8)
    assert (reduce_by_blocks(white, 256) == 255).all()
    assert (resize(white, 1, 1) == 255).all()


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -45])
def test_turned_square_shows_the_pixels_that_the_matrix_names(degrees: float) -> None:
    matrix = make_square_matrix((32.0, 24.0), 20.0, math.radians(degrees), 20)
    square = sample_affine(make_ramp(), matrix, 20, 20).astype(int)
    places = np.array([[3.5, 4.5], [10.5, 10.5], [17.5, 2.5]])
    for (x, y), (column, row) in zip(map_points(matrix, places), places, strict=True):
        red, green, _ = square[int(row), int(column)]
        assert abs(red - 2 * x) <= 2
        assert abs(green - 2 * y) <= 2


def test_upright_and_turned_sampling_agree() -> None:
    picture = make_ramp().astype(np.float32)
    matrix = np.array([[0.7, 0.0, 3.2], [0.0, 0.9, -2.0]])
    upright = resampling._sample_upright(picture, matrix, 40, 50)
    turned = resampling._sample_turned(picture, matrix, 40, 50)
    assert np.allclose(upright, turned, atol=1e-3)


def test_outside_of_the_picture_its_edge_is_repeated() -> None:
    matrix = make_square_matrix((0.0, 24.0), 40.0, 0.0, 40)
    square = sample_affine(make_ramp(), matrix, 40, 40)
    assert (square[:, :20, 0] == square[:, :1, 0]).all()


def test_square_far_outside_of_the_picture_is_its_corner() -> None:
    matrix = make_square_matrix((900.0, 900.0), 40.0, 0.3, 8)
    assert (sample_affine(make_ramp(), matrix, 8, 8) == make_ramp()[-1, -1]).all()


def test_square_matrix_maps_the_middle_to_the_center() -> None:
    matrix = make_square_matrix((12.0, 34.0), 50.0, 1.0, 192)
    assert map_points(matrix, np.array([[96.0, 96.0]])) == pytest.approx(np.array([[12.0, 34.0]]))
