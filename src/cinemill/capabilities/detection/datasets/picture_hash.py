"""A 64-bit hash of how a picture looks, which survives scaling and compression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels


Hashes = NDArray[np.uint64]

_SIDE = 8
_LEAST_CONTRAST = 4.0
"""Standard deviation of grey levels. Black and flat pictures look alike and prove nothing."""
_BLOCK = 1024
"""Hashes that are compared with as many others at a time: about 30 MB."""
_STRIP_ROWS = 64
_LUMA = np.array([0.299, 0.587, 0.114])


def hash_picture(pixels: Pixels) -> int | None:
    """Return a hash of the differences between neighbors, or None for a flat picture.

    A few rows are converted at a time, whatever the size of the picture.
    """
    small = _average(pixels, _SIDE, _SIDE + 1)
    if small.std() < _LEAST_CONTRAST:
        return None
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@dataclass(frozen=True, slots=True, eq=False)
class ClosePairs:
    """Pairs of hashes that are close: their positions, and the number of bits that differ."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    bits: NDArray[np.uint8]


def find_close_pairs(
    left: Sequence[int], right: Sequence[int], most_different_bits: int
) -> Iterator[ClosePairs]:
    """Yield all pairs of hashes that differ in at most so many bits, a block of them at a time."""
    ours, theirs = np.asarray(left, np.uint64), np.asarray(right, np.uint64)
    for start in range(0, len(ours), _BLOCK):
        for begin in range(0, len(theirs), _BLOCK):
            differing = ours[start : start + _BLOCK, None] ^ theirs[None, begin : begin + _BLOCK]
            bits = np.bitwise_count(differing)
            rows, columns = np.nonzero(bits <= most_different_bits)
            if rows.size:
                yield ClosePairs(rows + start, columns + begin, bits[rows, columns])


def _average(pixels: Pixels, rows: int, columns: int) -> NDArray[np.float64]:
    """Return the mean grey of so many rows and columns of areas, weighted at their borders."""
    height, width = pixels.shape[:2]
    down, across = _area_weights(rows, height), _area_weights(columns, width).T
    means = np.zeros((rows, columns))
    for start in range(0, height, _STRIP_ROWS):
        strip = slice(start, start + _STRIP_ROWS)
        means += down[:, strip] @ (pixels[strip] @ _LUMA) @ across
    return means


def _area_weights(cells: int, length: int) -> NDArray[np.float64]:
    edges = np.linspace(0, length, cells + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    positions = np.arange(length)[None, :]
    overlap = np.minimum(positions + 1, ends) - np.maximum(positions, starts)
    weights: NDArray[np.float64] = np.clip(overlap, 0, None) / (ends - starts)
    return weights
