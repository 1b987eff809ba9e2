"""Evidence maps: which parts of a face its score depends on, found by covering them.

This needs no gradients, so it works for every detector. A part is covered with a blurred copy of
the image, faded in at its edges: a hard edge is itself what such detectors look for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Images = NDArray[np.uint8]
Floats = NDArray[np.float64]
ScoreImages = Callable[[Images], Floats]
"""Logits of N × H × W × 3 images."""

CELLS = 7
WINDOW_CELLS = 2
BATCH = 8
_BLUR_PART = 8
_BLUR_PASSES = 2


@dataclass(frozen=True, slots=True)
class Occlusion:
    """A window of cells that is covered: half-open ranges of rows and columns of the grid."""

    top: int
    left: int
    bottom: int
    right: int


def plan_occlusions(cells: int = CELLS, window: int = WINDOW_CELLS) -> list[Occlusion]:
    """Return windows that cover each cell of the grid equally often, those at its edges as well.

    Windows that reach over the edge are cut off there. There are ``(cells + window - 1)²``.
    """
    if not 1 <= window <= cells:
        raise ValueError("a window must have between one cell and all of them")
    spans = [(max(0, at), min(cells, at + window)) for at in range(1 - window, cells)]
    return [Occlusion(top, left, bottom, right) for top, bottom in spans for left, right in spans]


def map_evidence(
    image: Image, score: ScoreImages, *, cells: int = CELLS, window: int = WINDOW_CELLS
) -> Floats:
    """Return how much the logit falls if a cell is covered, cells × cells, top row first.

    Negative values are parts that spoke against a manipulation. ``score`` is called with at most
    eight images at a time, 65 in all for the usual grid, the image itself first.
    """
    plan = plan_occlusions(cells, window)
    blurred = blur_image(image)
    base = float(score(image[None])[0])
    total = np.zeros((cells, cells))
    times = np.zeros((cells, cells))
    for start in range(0, len(plan), BATCH):
        batch = plan[start : start + BATCH]
        covered = np.stack([cover(image, blurred, one, cells) for one in batch])
        for one, logit in zip(batch, score(covered), strict=True):
            covers = (slice(one.top, one.bottom), slice(one.left, one.right))
            total[covers] += base - float(logit)
            times[covers] += 1
    return total / times


def cover(image: Image, blurred: Image, occlusion: Occlusion, cells: int) -> Image:
    """Return the image with the window replaced by the blurred copy, faded over a quarter cell."""
    rows = _fade(image.shape[0], occlusion.top, occlusion.bottom, cells)
    columns = _fade(image.shape[1], occlusion.left, occlusion.right, cells)
    share = (rows[:, None] * columns[None, :])[..., None]
    mixed = image * (1 - share) + blurred * share
    return np.rint(mixed).astype(np.uint8)


def _fade(length: int, start: int, end: int, cells: int) -> Floats:
    """Return the share of the cover along one side: 1 within the window, 0 a quarter cell off."""
    cell = length / cells
    middle = np.arange(length) + 0.5
    outside = np.maximum(np.maximum(start * cell - middle, middle - end * cell), 0.0)
    share: Floats = np.clip(1 - outside / (cell / 4), 0.0, 1.0)
    return share


def blur_image(image: Image) -> Image:
    """Return the image blurred so much that details and traces of blending are gone."""
    blurred = image.astype(np.float64)
    for _ in range(_BLUR_PASSES):
        for axis in (0, 1):
            blurred = _box_blur(blurred, max(1, image.shape[axis] // _BLUR_PART), axis)
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def _box_blur(values: Floats, radius: int, axis: int) -> Floats:
    """Return the mean over ``2 × radius + 1`` neighbours; the edge goes on beyond it."""
    padding = [(0, 0)] * values.ndim
    padding[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(values, padding, mode="edge"), axis=axis)
    length = values.shape[axis]
    width = 2 * radius + 1
    upper = np.take(sums, np.arange(width, width + length), axis=axis)
    lower = np.take(sums, np.arange(length), axis=axis)
    return (upper - lower) / width


def find_strongest(evidence: Floats, *, part: float = 0.5) -> Iterator[tuple[int, int]]:
    """Yield (row, column) of the cells that hold this part of the positive evidence, best first."""
    positive = np.maximum(evidence, 0.0)
    remaining = part * float(positive.sum())
    for index in np.argsort(-positive, axis=None, kind="stable"):
        row, column = divmod(int(index), evidence.shape[1])
        if remaining <= 0 or positive[row, column] <= 0:
            return
        yield row, column
        remaining -= float(positive[row, column])
