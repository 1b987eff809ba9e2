"""Pictures of any size to the size that a model takes, with antialiasing.

A triangle filter as wide as the scale, in height and then in width, as two products of
matrices: what Pillow calls ``BILINEAR``. Without antialiasing, small details of a large frame turn
into noise that a detector of manipulations may take for a trace.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def resize_image(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the picture, height × width × 3, in exactly this size; its proportions may change.

    Raises ValueError for a picture without pixels.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or min(width, height) < 1:
        raise ValueError(f"no picture of {width}×{height} can be made of {pixels.shape}")
    if pixels.shape[:2] == (height, width):
        return pixels
    rows = _filter_rows(pixels, height)
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


def _filter_rows(pixels: Pixels | Floats, count: int) -> Floats:
    """Return ``count`` rows, each the weighted sum of a few of those that are there."""
    weights = _make_filter(len(pixels), count)
    flat = np.ascontiguousarray(pixels, np.float32).reshape(len(pixels), -1)
    return (weights @ flat).reshape(count, *pixels.shape[1:])


@lru_cache(maxsize=64)
def _make_filter(size: int, count: int) -> Floats:
    """Return the share of each row (across) in each new row (down); the shares sum to 1.

    Most are zero, and the product is still several times as fast as picking the others.
    """
    scale = size / count
    support = max(1.0, scale)
    centers = (np.arange(count) + 0.5) * scale
    distances = np.abs(np.arange(size) + 0.5 - centers[:, None])
    weights = np.maximum(0.0, 1 - distances / support)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
