"""A 64-bit hash of how a picture looks, which survives scaling and compression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels


Hashes = NDArray[np.uint64]

_SIDE = 8
_LEAST_CONTRAST = 4.0
"""Standard deviation of grey levels. Black and flat pictures look alike and prove nothing."""
_BLOCK = 2048


def hash_picture(pixels: Pixels) -> int | None:
    """Return a hash of the differences between neighbors, or None for a flat picture."""
    grey = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    small = _average(grey, _SIDE, _SIDE + 1)
    if small.std() < _LEAST_CONTRAST:
        return None
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def find_close_pairs(
    left: Sequence[int], right: Sequence[int], most_different_bits: int
) -> list[tuple[int, int]]:
    """Return the positions of hashes that differ in at most so many bits, in bounded memory."""
    ours, theirs = np.asarray(left, np.uint64), np.asarray(right, np.uint64)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(ours), _BLOCK):
        for begin in range(0, len(theirs), _BLOCK):
            differing = ours[start : start + _BLOCK, None] ^ theirs[None, begin : begin + _BLOCK]
            rows, columns = np.nonzero(np.bitwise_count(differing) <= most_different_bits)
            pairs.extend(
                (int(row) + start, int(column) + begin)
                for row, column in zip(rows, columns, strict=True)
            )
    return pairs


def _average(grey: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means of so many rows and columns of areas, weighted at their borders."""
    return _area_weights(rows, grey.shape[0]) @ grey @ _area_weights(columns, grey.shape[1]).T


def _area_weights(cells: int, length: int) -> NDArray[np.float64]:
    edges = np.linspace(0, length, cells + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    positions = np.arange(length)[None, :]
    overlap = np.minimum(positions + 1, ends) - np.maximum(positions, starts)
    weights: NDArray[np.float64] = np.clip(overlap, 0, None) / (ends - starts)
    return weights
