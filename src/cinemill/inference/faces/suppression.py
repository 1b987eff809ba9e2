"""One box for each face, where a detector returns several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""N×4: left, top, right, bottom."""


def suppress_overlaps(boxes: Boxes, scores: NDArray[np.float32], most_overlap: float) -> list[int]:
    """Return the boxes to keep, best first: none overlaps a better one by more than this.

    Overlap is the intersection over the union, 0 to 1.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while left.size:
        best, rest = int(left[0]), left[1:]
        kept.append(best)
        left = rest[measure_overlaps(boxes[best], boxes[rest]) <= most_overlap]
    return kept


def measure_overlaps(box: NDArray[np.float32], others: Boxes) -> NDArray[np.float32]:
    """Return the intersection over the union of a box and each of the others."""
    corner = np.maximum(box[:2], others[:, :2])
    opposite = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(opposite - corner, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    overlaps: NDArray[np.float32] = shared / np.maximum(union, np.finfo(np.float32).eps)
    return overlaps
