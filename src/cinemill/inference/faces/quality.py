"""Whether a face shows enough to be examined: its size, sharpness and pose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.core.faces import FaceBox, Point
from cinemill.inference.faces.crops import crop_aligned_face
from cinemill.inference.faces.tracks import find_size

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

MIN_SIZE_PX = 32
MIN_SHARPNESS = 0.02
MAX_YAW_DEGREES = 60
"""Thresholds; the tests measure them on real faces, and on the same faces reduced and blurred."""
SHARPNESS_SIDE_PX = 96
"""Sharpness is measured at this size, so that faces of different sizes compare."""
NOSE_DEPTH = 0.55
"""How far the tip of the nose stands out, in multiples of the distance between the eyes."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


QUALITY_VERSION = 4
"""Raise it whenever another face would be found, or found unusable."""


class FaceFlaw(StrEnum):
    """Why a face cannot be examined; the empty text says that it can."""

    NONE = ""
    CUT_OFF = "face_cut_off"
    TOO_SMALL = "face_too_small"
    BLURRED = "face_blurred"
    TURNED_AWAY = "face_turned_away"


@dataclass(frozen=True, slots=True)
class FaceQuality:
    size_pixels: float
    """Side of a square with the area of the face's box."""
    sharpness: float
    """Fine detail as a share of all detail: 0 is a plain surface, about 0.1 a sharp face."""
    yaw_degrees: float | None
    """Turn of the head to the viewer's right, -90 to 90; None if the points are unknown."""
    is_whole: bool = True
    """Eyes, nose and mouth lie within the picture."""


def assess_face(pixels: Pixels, box: FaceBox) -> FaceQuality:
    """Measure the face in the picture (height × width × RGB)."""
    return FaceQuality(
        size_pixels=find_size(box),
        sharpness=measure_sharpness(
            crop_aligned_face(pixels, box, size=SHARPNESS_SIDE_PX, scale=1)
        ),
        yaw_degrees=estimate_yaw(box.points) if box.points else None,
        is_whole=_holds_points(pixels, box),
    )


def find_flaw(quality: FaceQuality) -> FaceFlaw:
    """Return the first reason why the face cannot be examined, or ``FaceFlaw.NONE``."""
    if not quality.is_whole:
        return FaceFlaw.CUT_OFF
    if quality.size_pixels < MIN_SIZE_PX:
        return FaceFlaw.TOO_SMALL
    if quality.yaw_degrees is not None and abs(quality.yaw_degrees) > MAX_YAW_DEGREES:
        return FaceFlaw.TURNED_AWAY
    if quality.sharpness < MIN_SHARPNESS:
        return FaceFlaw.BLURRED
    return FaceFlaw.NONE


def measure_sharpness(crop: Pixels) -> float:
    """Return the variance of the crop's Laplacian over the variance of its luma.

    The ratio depends neither on contrast nor on exposure. A crop without any contrast returns 0.
    """
    luma: NDArray[np.float32] = crop @ _LUMA
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    contrast = float(inner.var())
    return float(laplacian.var()) / contrast if contrast >= 1 else 0.0


def estimate_yaw(points: tuple[Point, ...]) -> float:
    """Return the turn of the head in degrees, from eyes, nose and corners of the mouth.

    The nose stands out, so it moves away from the line between the middles of eyes and mouth.
    """
    eyes, mouth = _middle(*points[:2]), _middle(*points[3:5])
    nose = points[2]
    length = max(math.dist(eyes, mouth), 1e-6)
    down = ((mouth[0] - eyes[0]) / length, (mouth[1] - eyes[1]) / length)
    # Distance of the nose from that line, to the right of the picture where the face is upright.
    aside = (nose[0] - eyes[0]) * down[1] - (nose[1] - eyes[1]) * down[0]
    spread = max(math.dist(*points[:2]), 1e-6)
    return math.degrees(math.atan2(aside, NOSE_DEPTH * spread))


def _middle(first: Point, second: Point) -> Point:
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2


def _holds_points(pixels: Pixels, box: FaceBox) -> bool:
    height, width = pixels.shape[:2]
    return all(0 <= x < width and 0 <= y < height for x, y in box.points)
