"""Whether a picture can hold text at all, before a model that costs half a second looks at it.

Letters are strokes close to each other: where text is, many pixels in a row of blocks differ much
from their right neighbor, in both directions. Skies, walls and blurred pictures have no such place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

STEP_LEVELS = 24
"""Difference of two neighboring pixels, of 255, that counts as the edge of a stroke."""
BLOCK_HEIGHT_PX, BLOCK_WIDTH_PX = 8, 32
"""About the height of the smallest letters that can be read, and a short word."""
SIZES = 4
"""The picture, and half, a quarter and an eighth of it: letters of 10 to 300 pixels."""
LEAST_DENSITY = 0.08
"""Share of a block's pixels that are edges, rising or falling, each. Text of 10 to 300 pixels has
0.1 and more, if it is 80 levels from its ground; skies and walls have 0, most real scenes pass."""

_LUMA = np.array([77, 150, 29], np.uint16)
"""Of 256."""


def may_hold_text(pixels: Pixels) -> bool:
    """Check whether any place of the picture (height × width × RGB) has the edges of letters."""
    return measure_edge_density(pixels) >= LEAST_DENSITY


def measure_edge_density(pixels: Pixels) -> float:
    """Return the density of edges, 0 to 0.5, at the place where they are densest.

    Of rising and falling edges, the rarer count: the outline of a thing has only one of them. The
    strokes of large letters are far apart, so the picture is searched at half its size as well, and
    so on.
    """
    luma = ((pixels @ _LUMA) >> 8).astype(np.int16)
    densest = 0.0
    for _ in range(SIZES):
        if min(luma.shape) < BLOCK_HEIGHT_PX:
            break
        densest = max(densest, _measure_once(luma))
        luma = _halve(luma)
    return densest


def _measure_once(luma: NDArray[np.int16]) -> float:
    steps = np.diff(luma, axis=1)
    rising = _count_in_blocks(steps >= STEP_LEVELS)
    falling = _count_in_blocks(steps <= -STEP_LEVELS)
    rarer = np.minimum(rising, falling).max(initial=0)
    return float(rarer) / (BLOCK_HEIGHT_PX * BLOCK_WIDTH_PX)


def _halve(luma: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the averages of 2 × 2 pixels; an odd one at the end is dropped."""
    rows, columns = (side // 2 * 2 for side in luma.shape)
    even = luma[:rows, :columns]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) >> 2


def _count_in_blocks(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return how many are set in each block; blocks at the right and the bottom may be smaller."""
    rows = np.arange(0, mask.shape[0], BLOCK_HEIGHT_PX)
    columns = np.arange(0, mask.shape[1], BLOCK_WIDTH_PX)
    lines = np.add.reduceat(mask, rows, axis=0, dtype=np.intp)
    return np.asarray(np.add.reduceat(lines, columns, axis=1))
