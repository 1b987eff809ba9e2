"""The gate before text is read: letters of any size pass, flat and blurred pictures do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tests.faces import blur, read_frames

from cinemill.inference.ocr.edges import LEAST_DENSITY, may_hold_text, measure_edge_density
from cinemill.inference.ocr.reader import clean_text

Pixels = NDArray[np.uint8]


def draw_text(size: float, *, ink: int, ground: int) -> Pixels:
    image = Image.new("RGB", (1280, 720), (ground,) * 3)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((40, 120), "Harbour", font=font, fill=(ink,) * 3)
    return np.asarray(image)


@pytest.mark.parametrize("size", [11, 14, 20, 40, 80, 160, 300])
@pytest.mark.parametrize(("ink", "ground"), [(255, 0), (20, 230), (220, 130)])
def test_letters_of_any_size_pass(size: float, ink: int, ground: int) -> None:
    assert may_hold_text(draw_text(size, ink=ink, ground=ground))


def test_caption_of_a_real_video_passes() -> None:
    frames = read_frames("obama_speech", 3)
    assert all(measure_edge_density(frame.pixels) > 2 * LEAST_DENSITY for frame in frames)


@pytest.mark.parametrize("shape", [(720, 1280, 3), (1, 1, 3), (4, 900, 3), (900, 1, 3)])
def test_flat_picture_does_not_pass(shape: tuple[int, int, int]) -> None:
    assert measure_edge_density(np.full(shape, 90, np.uint8)) == 0


def test_slope_and_outline_do_not_pass() -> None:
    slope = np.linspace(0, 255, 1280).astype(np.uint8)[None, :, None].repeat(720, 0).repeat(3, 2)
    assert not may_hold_text(slope)
    half = np.zeros((720, 1280, 3), np.uint8)
    half[:, 700:] = 255
    assert not may_hold_text(half)


def test_blurred_picture_does_not_pass() -> None:
    picture = read_frames("shot_change", 1)[0].pixels
    assert not may_hold_text(blur(picture, 12))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  two\twords\n", "two words"),
        ("a\x00b\u200bc", "a b c"),
        ("e\u0301te\u0301", "été"),
        ("x" * 900, "x" * 500),
        ("\ud800half", "half"),
    ],
)
def test_text_is_one_line_that_can_be_stored(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned
