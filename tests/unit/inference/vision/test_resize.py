"""Resized pictures are those of Pillow's antialiased bilinear filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cinemill.inference.vision.resize import fit_image, resize_image


def draw(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.property
@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_pictures_are_those_of_pillow(
    width: int, height: int, new_width: int, new_height: int
) -> None:
    # Within three times the new size, where no whole pixels are averaged first.
    width, height = min(width, new_width * 5), min(height, new_height * 5)
    pixels = draw(width, height)
    found = resize_image(pixels, new_width, new_height)
    wanted = np.asarray(
        Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR)
    )
    assert found.shape == (new_height, new_width, 3)
    assert np.abs(found.astype(int) - wanted).max() <= 2


def test_large_picture_is_averaged_and_not_sampled() -> None:
    pixels = np.zeros((1080, 1920, 3), np.uint8)
    pixels[::2] = 255  # stripes that a sampled picture would show as waves
    found = resize_image(pixels, 224, 224)
    assert found.min() >= 110
    assert found.max() <= 145


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 500), (1920, 1080), (7, 7)])
@pytest.mark.parametrize("value", [0, 1, 127, 255])
def test_flat_picture_stays_flat(width: int, height: int, value: int) -> None:
    pixels = np.full((height, width, 3), value, np.uint8)
    assert (resize_image(pixels, 16, 24) == value).all()


def test_proportions_are_kept_around_the_middle() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 200
    assert (fit_image(pixels, 50, 50) == 200).all()


def test_picture_of_that_size_is_returned_unchanged() -> None:
    pixels = draw(32, 16)
    assert resize_image(pixels, 32, 16) is pixels


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no picture"):
        resize_image(np.zeros(shape, np.uint8), 8, 8)
