"""Crops: their margin, their edges, and level eyes."""

from __future__ import annotations

import numpy as np
import pytest

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.crops import crop_aligned_face, crop_face, find_roll


def draw_square(left: int, top: int, side: int) -> np.ndarray:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[top : top + side, left : left + side] = 255
    return picture


def test_crop_adds_the_margin_on_each_side() -> None:
    picture = draw_square(100, 60, 80)
    crop = crop_face(picture, FaceBox(100, 60, 80, 80, 1.0), size=104)
    assert crop.shape == (104, 104, 3)
    bright = np.nonzero(crop[52, :, 0] > 127)[0]
    assert (bright.min(), bright.max()) == (12, 91)  # 80 of 104 pixels, in the middle


def test_crop_of_a_tall_box_is_not_distorted() -> None:
    picture = draw_square(100, 60, 60)
    crop = crop_face(picture, FaceBox(115, 30, 30, 120, 1.0), size=156)
    rows, columns = ((crop[..., 0] > 127).any(axis=axis).sum() for axis in (1, 0))
    assert rows == columns == 60


def test_crop_beyond_the_picture_repeats_its_edge() -> None:
    picture = np.full((100, 100, 3), 90, np.uint8)
    crop = crop_face(picture, FaceBox(-30, 70, 60, 60, 1.0), size=64)
    assert (crop == 90).all()


@pytest.mark.parametrize("side", [1.0, 0.0])
def test_crop_of_a_box_without_area_is_a_pixel(side: float) -> None:
    picture = np.full((10, 10, 3), 5, np.uint8)
    assert crop_face(picture, FaceBox(4, 4, side, side, 1.0), size=16).shape == (16, 16, 3)


def test_aligned_crop_has_level_eyes() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    eyes = ((120, 80), (160, 110))
    for x, y in eyes:
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    points = tuple((x + 0.5, y + 0.5) for x, y in (*eyes, (135, 105), (115, 110), (145, 135)))
    box = FaceBox(90, 50, 100, 100, 1.0, points)
    assert find_roll(box) == pytest.approx(0.6435, abs=1e-3)
    crop = crop_aligned_face(picture, box, size=130)[..., 0].astype(float)
    left, right = crop[:, :65], crop[:, 65:]
    heights = [(half.sum(axis=1) * np.arange(130)).sum() / half.sum() for half in (left, right)]
    assert heights[0] == pytest.approx(heights[1], abs=0.5)


def test_aligned_crop_without_points_is_upright() -> None:
    picture = draw_square(100, 60, 80)
    box = FaceBox(90, 55, 90, 90, 1.0)
    assert np.array_equal(
        crop_aligned_face(picture, box, size=64), crop_face(picture, box, size=64)
    )
