"""Flaws of faces, from drawn faces and from points at known angles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cinemill.core.faces import FaceBox, Point
from cinemill.inference.faces.quality import (
    MAX_YAW_DEGREES,
    MIN_SHARPNESS,
    MIN_SIZE_PX,
    NOSE_DEPTH,
    FaceFlaw,
    FaceQuality,
    assess_face,
    estimate_yaw,
    find_flaw,
    measure_sharpness,
)

GOOD = FaceQuality(size_pixels=200, sharpness=0.2, yaw_degrees=0.0)


def turned_points(yaw_degrees: float, roll_degrees: float = 0.0) -> tuple[Point, ...]:
    """Return the points of a head of which only the nose stands out, seen from far away."""
    yaw, roll = math.radians(yaw_degrees), math.radians(roll_degrees)
    head = [(-0.5, 0, 0), (0.5, 0, 0), (0, 0.6, NOSE_DEPTH), (-0.4, 1.1, 0), (0.4, 1.1, 0)]
    points = []
    for x, y, depth in head:
        seen = x * math.cos(yaw) + depth * math.sin(yaw)
        points.append(
            (
                500 + 60 * (seen * math.cos(roll) - y * math.sin(roll)),
                400 + 60 * (seen * math.sin(roll) + y * math.cos(roll)),
            )
        )
    return tuple(points)


@pytest.mark.parametrize("yaw", [-75, -40, -10, 0, 25, 60, 80])
@pytest.mark.parametrize("roll", [0, 30, 90, 180, -120])
def test_yaw_is_the_turn_of_the_head_at_any_roll(yaw: float, roll: float) -> None:
    assert estimate_yaw(turned_points(yaw, roll)) == pytest.approx(yaw, abs=0.01)


def test_yaw_of_points_that_coincide_is_a_number() -> None:
    assert math.isfinite(estimate_yaw(((1.0, 1.0),) * 5))


@pytest.mark.parametrize(
    ("quality", "flaw"),
    [
        (GOOD, FaceFlaw.NONE),
        (FaceQuality(MIN_SIZE_PX - 1, 0.2, 0.0), FaceFlaw.TOO_SMALL),
        (FaceQuality(200, MIN_SHARPNESS / 2, 0.0), FaceFlaw.BLURRED),
        (FaceQuality(200, 0.2, -MAX_YAW_DEGREES - 1), FaceFlaw.TURNED_AWAY),
        (FaceQuality(200, 0.2, None), FaceFlaw.NONE),
        (FaceQuality(200, 0.2, 0.0, is_whole=False), FaceFlaw.CUT_OFF),
        (FaceQuality(5, 0.0, 90.0, is_whole=False), FaceFlaw.CUT_OFF),
    ],
)
def test_flaw_of_a_face(quality: FaceQuality, flaw: FaceFlaw) -> None:
    assert find_flaw(quality) is flaw


def test_flaws_are_codes_and_no_flaw_is_empty() -> None:
    assert not FaceFlaw.NONE
    assert all(flaw.value.startswith("face_") for flaw in FaceFlaw if flaw)


def test_sharpness_does_not_depend_on_contrast_or_exposure() -> None:
    noise = np.random.default_rng(3).integers(0, 200, (96, 96, 3), dtype=np.uint8)
    paler = (noise / 4 + 100).astype(np.uint8)
    assert measure_sharpness(paler) == pytest.approx(measure_sharpness(noise), rel=0.05)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_surface_has_no_sharpness(value: int) -> None:
    assert measure_sharpness(np.full((96, 96, 3), value, np.uint8)) == 0.0


def test_face_with_an_eye_outside_the_picture_is_cut_off() -> None:
    picture = np.zeros((450, 520, 3), np.uint8)
    box = FaceBox(440, 360, 80, 90, 0.9, turned_points(0))
    assert find_flaw(assess_face(picture, box)) is FaceFlaw.CUT_OFF


def test_face_without_points_has_no_yaw() -> None:
    picture = np.random.default_rng(3).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    quality = assess_face(picture, FaceBox(50, 50, 80, 120, 0.9))
    assert quality.yaw_degrees is None
    assert quality.size_pixels == pytest.approx(math.sqrt(80 * 120))
    assert find_flaw(quality) is FaceFlaw.NONE
