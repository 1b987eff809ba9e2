"""Changes that set a source apart from its target: color, contrast and sharpness.

Each is a value drawn beforehand, so that the very same change can be made to another picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels


@dataclass(frozen=True, slots=True)
class Alteration:
    """A change of statistics; the defaults change nothing at all."""

    red: int = 0
    """Added to the channel's values of 0 to 255."""
    green: int = 0
    blue: int = 0
    hue: int = 0
    """256 are a full turn."""
    saturation: float = 1.0
    value: float = 1.0
    contrast: float = 1.0
    """About the picture's mean."""
    brightness: int = 0
    downscale: float = 1.0
    """The picture is scaled down to this share and up again."""
    sharpen: float = 0.0
    """Percent of an unsharp mask."""


UNCHANGED = Alteration()


def draw_alteration(random: np.random.Generator) -> Alteration:
    """Draw a change, of any strength from hardly visible to plain."""
    strength = random.uniform(0.15, 1.0)
    channels = random.uniform(-20, 20, 3) * strength * (random.uniform() < 0.5)
    is_blurred = random.uniform() < 0.5
    return Alteration(
        red=round(channels[0]),
        green=round(channels[1]),
        blue=round(channels[2]),
        hue=round(random.uniform(-6, 6) * strength),
        saturation=float(1 + random.uniform(-0.3, 0.3) * strength),
        value=float(1 + random.uniform(-0.2, 0.2) * strength),
        contrast=float(1 + random.uniform(-0.15, 0.15) * strength),
        brightness=round(random.uniform(-15, 15) * strength),
        downscale=float(random.uniform(0.35, 0.9)) if is_blurred else 1.0,
        sharpen=0.0 if is_blurred else float(random.uniform(20, 120)),
    )


def alter(pixels: Pixels, alteration: Alteration) -> Pixels:
    """Return a changed copy; without a change the very same values."""
    if alteration == UNCHANGED:
        return pixels.copy()
    return _change_frequencies(_change_colors(pixels, alteration), alteration)


def _change_colors(pixels: Pixels, alteration: Alteration) -> Pixels:
    shift = np.array([alteration.red, alteration.green, alteration.blue], np.float32)
    values = pixels.astype(np.float32) + shift
    mean = values.mean()
    values = (values - mean) * alteration.contrast + mean + alteration.brightness
    hsv = np.asarray(Image.fromarray(_to_bytes(values)).convert("HSV")).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + alteration.hue) % 256
    hsv[..., 1:] *= np.array([alteration.saturation, alteration.value], np.float32)
    channels = [Image.fromarray(channel) for channel in np.moveaxis(_to_bytes(hsv), 2, 0).copy()]
    return np.asarray(Image.merge("HSV", channels).convert("RGB"))


def _change_frequencies(pixels: Pixels, alteration: Alteration) -> Pixels:
    image = Image.fromarray(pixels)
    if alteration.downscale < 1:
        small = (
            max(1, round(image.width * alteration.downscale)),
            max(1, round(image.height * alteration.downscale)),
        )
        image = image.resize(small, Image.Resampling.BILINEAR).resize(
            image.size, Image.Resampling.BILINEAR
        )
    if alteration.sharpen > 0:
        image = image.filter(ImageFilter.UnsharpMask(2, round(alteration.sharpen), 0))
    return np.asarray(image)


def _to_bytes(values: NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
