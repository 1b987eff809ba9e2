"""Masks of face areas: the hull of landmarks, bent and softened as a forger's mask would be.

The landmarks are the 468 points of MediaPipe's mesh. Shiohara and Yamasaki (Detecting Deepfakes
with Self-Blended Images, CVPR 2022) describe the mask: a hull, deformed elastically, smoothed,
cut to what is still whole, and smoothed again, so that it is smaller or larger than the hull.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Landmarks = NDArray[np.float32]
"""468 × 2: x and y in pixels."""
Mask = NDArray[np.float32]
"""Height × width, 0 to 1."""

LANDMARKS = 468
_GRID = 5


class FaceArea(StrEnum):
    """Which part of the face is exchanged."""

    FACE = "face"
    INNER_FACE = "inner_face"
    CENTER = "center"
    MOUTH = "mouth"


# Points of the mesh, as MediaPipe numbers them.
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, *_OVAL[19:29])
_BROWS = (
    276,
    283,
    282,
    295,
    285,
    300,
    293,
    334,
    296,
    336,
    46,
    53,
    52,
    65,
    55,
    70,
    63,
    105,
    66,
    107,
)
_EYES = (263, 249, 390, 373, 374, 380, 381, 382, 362, 33, 7, 163, 144, 145, 153, 154, 155, 133)
_NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358)
_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_CHIN = (152, 148, 377, 176, 400)

_POINTS = {
    FaceArea.FACE: _OVAL,
    FaceArea.INNER_FACE: (*_JAW, *_BROWS),
    FaceArea.CENTER: (*_BROWS, *_EYES, *_NOSE, *_LIPS),
    FaceArea.MOUTH: (*_LIPS, *_CHIN, 2, 98, 327),
}


@dataclass(frozen=True, slots=True)
class MaskRecipe:
    """Everything that was drawn for a mask; lengths are shares of the hull's larger side."""

    area: FaceArea
    bend: tuple[tuple[float, float], ...]
    """Displacement to the right and down at each point of a 5 × 5 grid over the hull."""
    first_blur: float
    second_blur: float
    ratio: float
    """The mask's largest value: how much of the source shows."""


RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)


def draw_mask_recipe(random: np.random.Generator) -> MaskRecipe:
    """Draw a mask; two of five cover the whole face."""
    areas = [FaceArea.FACE, FaceArea.FACE, FaceArea.INNER_FACE, FaceArea.CENTER, FaceArea.MOUTH]
    area = areas[int(random.integers(len(areas)))]
    bend = random.normal(0, random.uniform(0.005, 0.03), (_GRID * _GRID, 2))
    first, second = random.uniform(0.01, 0.06, 2)
    return MaskRecipe(
        area=area,
        bend=tuple((float(x), float(y)) for x, y in np.clip(bend, -0.08, 0.08)),
        first_blur=float(first),
        second_blur=float(second),
        ratio=RATIOS[int(random.integers(len(RATIOS)))],
    )


def draw_mask(landmarks: Landmarks, height: int, width: int, recipe: MaskRecipe) -> Mask:
    """Return the mask of a face. Raises ValueError if the landmarks are not 468 finite points."""
    if landmarks.shape != (LANDMARKS, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"Landmarks are {landmarks.shape}, not {LANDMARKS} finite points.")
    hull = convex_hull(landmarks[list(_POINTS[recipe.area])].astype(np.float64))
    size = float(max(np.ptp(hull, axis=0).max(), 1.0))
    outline = _bend(_densify(hull), recipe, size)
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in outline], fill=255)
    return _soften(image, recipe, size)


def convex_hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the smallest convex polygon around points, in order."""
    ordered = [(float(x), float(y)) for x, y in np.unique(points, axis=0)]
    if len(ordered) < 3:
        return np.asarray(ordered)
    lower, upper = _half_hull(ordered), _half_hull(ordered[::-1])
    return np.asarray(lower[:-1] + upper[:-1])


def _half_hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) >= 2 and _turn(hull[-2], hull[-1], point) <= 0:
            hull.pop()
        hull.append(point)
    return hull


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _densify(hull: NDArray[np.float64], steps: int = 8) -> NDArray[np.float64]:
    """Add points on the edges, so that bending makes curves of them."""
    following = np.roll(hull, -1, axis=0)
    shares = np.arange(steps)[None, :, None] / steps
    return (hull[:, None] + shares * (following - hull)[:, None]).reshape(-1, 2)


def _bend(outline: NDArray[np.float64], recipe: MaskRecipe, size: float) -> NDArray[np.float64]:
    """Displace points by the grid's displacements, mixed by distance from its points."""
    lower, extent = outline.min(axis=0), np.maximum(np.ptp(outline, axis=0), 1.0)
    position = (outline - lower) / extent * (_GRID - 1)
    axis = np.arange(_GRID)
    weights = [np.clip(1 - abs(position[:, one, None] - axis), 0, None) for one in (1, 0)]
    mixed = weights[0][:, :, None] * weights[1][:, None, :]
    shift = mixed.reshape(len(outline), -1) @ np.asarray(recipe.bend) * size
    bent: NDArray[np.float64] = outline + shift
    return bent


def _soften(image: Image.Image, recipe: MaskRecipe, size: float) -> Mask:
    blurred = image.filter(ImageFilter.GaussianBlur(recipe.first_blur * size))
    whole = blurred.point(lambda value: 255 if value >= 255 else 0)
    # A mask that is narrower than the blur would vanish; it keeps its hull.
    kept = whole if whole.getextrema()[1] else image
    soft = kept.filter(ImageFilter.GaussianBlur(recipe.second_blur * size))
    mask = np.asarray(soft, np.float32)
    highest = float(mask.max())
    return mask * np.float32(recipe.ratio / highest) if highest > 0 else mask
