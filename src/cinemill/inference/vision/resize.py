"""Pictures of any size to the size that a model takes, with antialiasing.

A triangle filter as wide as the scale, in height and then in width, as two products with sparse
matrices: what Pillow calls ``BILINEAR``. Without antialiasing, small details of a large frame turn
into noise that a detector of manipulations may take for a trace.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
_COARSE = 3
"""Scales above twice this are first reduced by whole pixels."""


def resize_image(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the picture, height × width × 3, in exactly this size; its proportions may change.

    Raises ValueError for a picture without pixels.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or min(width, height) < 1:
        raise ValueError(f"no picture of {width}×{height} can be made of {pixels.shape}")
    if pixels.shape[:2] == (height, width):
        return pixels
    reduced = _reduce(pixels, width, height)
    rows = _filter_rows(reduced, height)
    columns = _filter_rows(rows.transpose(1, 0, 2), width).transpose(1, 0, 2)
    return np.clip(np.rint(columns), 0, 255).astype(np.uint8)


def fit_image(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the middle of the picture in this size, its proportions kept."""
    own_height, own_width = pixels.shape[:2]
    scale = min(own_width / width, own_height / height)
    cut_width = max(1, min(own_width, round(width * scale)))
    cut_height = max(1, min(own_height, round(height * scale)))
    left, top = (own_width - cut_width) // 2, (own_height - cut_height) // 2
    middle = pixels[top : top + cut_height, left : left + cut_width]
    return resize_image(middle, width, height)


def _reduce(pixels: Pixels, width: int, height: int) -> NDArray[np.uint8] | Floats:
    """Average blocks of whole pixels where the picture is many times larger."""
    down = max(1, pixels.shape[0] // (height * _COARSE))
    across = max(1, pixels.shape[1] // (width * _COARSE))
    own_height, own_width = pixels.shape[:2]
    if (down, across) == (1, 1) or own_height % down or own_width % across:
        return pixels
    blocks = pixels.reshape(own_height // down, down, own_width // across, across, 3)
    averages: Floats = blocks.mean(axis=(1, 3), dtype=np.float32)
    return averages


def _filter_rows(pixels: NDArray[np.uint8] | Floats, count: int) -> Floats:
    """Return ``count`` rows, each the weighted sum of a few of those that are there."""
    places, weights = _make_filter(len(pixels), count)
    result = np.zeros((count, *pixels.shape[1:]), np.float32)
    for tap in range(places.shape[1]):
        result += pixels[places[:, tap]] * weights[:, tap, None, None]
    return result


@lru_cache(maxsize=256)
def _make_filter(size: int, count: int) -> tuple[NDArray[np.intp], Floats]:
    """Return which rows make up each new row, and their weights, which sum to 1."""
    scale = size / count
    support = max(1.0, scale)
    taps = math.ceil(support) * 2 + 1
    centers = (np.arange(count) + 0.5) * scale
    first = np.floor(centers - support).astype(np.intp)
    places = first[:, None] + np.arange(taps)
    weights = np.maximum(0.0, 1 - np.abs(places + 0.5 - centers[:, None]) / support)
    weights[(places < 0) | (places >= size)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(places, 0, size - 1), weights.astype(np.float32)
