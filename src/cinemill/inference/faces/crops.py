"""Square crops of faces, with a margin around the box."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cinemill.core.faces import FaceBox
from cinemill.inference.vision.resampling import make_square_matrix, sample_affine

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

SCALE = 1.3
"""Side of the crop in multiples of the box's longer side: what is blended in shows at the edge of
the face, so the crop must hold that edge."""


def crop_face(pixels: Pixels, box: FaceBox, *, size: int, scale: float = SCALE) -> Pixels:
    """Return the face as ``size`` × ``size`` pixels, upright as in the picture.

    Where the crop extends beyond the picture, the picture's edge is repeated.
    """
    matrix = make_square_matrix(find_center(box), find_side(box) * scale, 0.0, size)
    return sample_affine(pixels, matrix, size, size)


def crop_aligned_face(pixels: Pixels, box: FaceBox, *, size: int, scale: float = SCALE) -> Pixels:
    """Return the face as :func:`crop_face` does, turned so that its eyes are level."""
    side = find_side(box) * scale
    matrix = make_square_matrix(find_center(box), side, find_roll(box), size)
    return sample_affine(pixels, matrix, size, size)


def find_center(box: FaceBox) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def find_side(box: FaceBox) -> float:
    """Return the longer side of the box, at least one pixel."""
    return max(box.width, box.height, 1.0)


def find_roll(box: FaceBox) -> float:
    """Return the angle in radians, clockwise, from the left eye to the right; 0 without points."""
    if not box.points:
        return 0.0
    (left_x, left_y), (right_x, right_y) = box.points[:2]
    return math.atan2(right_y - left_y, right_x - left_x)
