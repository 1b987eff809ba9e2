"""What pictures meet on their way: scaling, blur and JPEG, the same for a real and its fake."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter, ImageOps

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels


_KERNELS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


@dataclass(frozen=True, slots=True)
class Degradation:
    """A way; the defaults change nothing."""

    is_mirrored: bool = False
    scale: float = 1.0
    """Scaled to this share and back."""
    kernel: int = 0
    """Of bilinear, bicubic, Lanczos and box."""
    blur: float = 0.0
    """Radius in pixels."""
    jpeg_quality: int | None = None
    """1 to 95; None leaves the picture alone."""


def draw_degradation(random: np.random.Generator) -> Degradation:
    """Draw a way; about one in seven is only mirrored or left alone."""
    return Degradation(
        is_mirrored=bool(random.uniform() < 0.5),
        scale=float(random.uniform(0.4, 1.0)) if random.uniform() < 0.5 else 1.0,
        kernel=int(random.integers(len(_KERNELS))),
        blur=float(random.uniform(0.3, 1.2)) if random.uniform() < 0.3 else 0.0,
        jpeg_quality=int(random.integers(40, 96)) if random.uniform() < 0.6 else None,
    )


def degrade(pixels: Pixels, degradation: Degradation) -> Pixels:
    """Return the picture after its way, in its own size."""
    image = Image.fromarray(pixels)
    if degradation.is_mirrored:
        image = ImageOps.mirror(image)
    if degradation.scale < 1:
        kernel = _KERNELS[degradation.kernel]
        small = (
            max(1, round(image.width * degradation.scale)),
            max(1, round(image.height * degradation.scale)),
        )
        image = image.resize(small, kernel).resize((pixels.shape[1], pixels.shape[0]), kernel)
    if degradation.blur > 0:
        image = image.filter(ImageFilter.GaussianBlur(degradation.blur))
    if degradation.jpeg_quality is not None:
        image = compress_jpeg(image, degradation.jpeg_quality)
    return np.asarray(image)


def compress_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture as a JPEG of this quality shows it."""
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=quality)
    return Image.open(stored).convert("RGB")
