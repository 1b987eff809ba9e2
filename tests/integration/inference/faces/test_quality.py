"""The thresholds on real faces: clear ones pass; reduced, blurred and cropped ones do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.faces import Pixels, blur, read_pictures

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.quality import (
    MAX_YAW_DEGREES,
    FaceFlaw,
    assess_face,
    find_flaw,
)
from cinemill.inference.vision.resampling import resize

CLEAR = ("expressive_face", "single_face", "obama_speech", "carphone")
BLUR_SHARE = 1 / 32
"""Standard deviation of the blur in sizes of the face: 7 pixels of a crop of 224."""


def cut_out(picture: Pixels, box: FaceBox) -> tuple[Pixels, FaceBox]:
    """Return the surroundings of a face, and the face in them."""
    left, top = (max(0, int(edge)) for edge in (box.left - box.width, box.top - box.height))
    cut = picture[top : int(box.top + 2 * box.height), left : int(box.left + 2 * box.width)]
    points = tuple((x - left, y - top) for x, y in box.points)
    return cut, replace(box, left=box.left - left, top=box.top - top, points=points)


@pytest.mark.parametrize("sample", CLEAR)
def test_clear_face_has_no_flaw_until_it_is_blurred(detector: FaceDetector, sample: str) -> None:
    for picture in read_pictures(sample, 3):
        for found in detector.detect([picture])[0]:
            cut, box = cut_out(picture, found)
            quality = assess_face(cut, box)
            assert find_flaw(quality) is FaceFlaw.NONE, quality
            blurred = assess_face(blur(cut, quality.size_pixels * BLUR_SHARE), box)
            assert find_flaw(blurred) is FaceFlaw.BLURRED, blurred


def test_face_that_was_enlarged_from_few_pixels_is_blurred(detector: FaceDetector) -> None:
    """A large box alone does not make a face that can be examined."""
    picture = read_pictures("single_face", 1)[0]
    enlarged = resize(resize(picture, 80, 45), 640, 360)
    box = detector.detect([picture])[0][0]
    assert find_flaw(assess_face(picture, box)) is FaceFlaw.NONE
    assert find_flaw(assess_face(enlarged, box)) is FaceFlaw.BLURRED


def test_faces_that_look_into_the_camera_are_not_turned(detector: FaceDetector) -> None:
    for picture in read_pictures("single_face", 4):
        yaw = assess_face(picture, detector.detect([picture])[0][0]).yaw_degrees
        assert yaw == pytest.approx(0, abs=10)


def test_mirrored_face_is_turned_to_the_other_side(detector: FaceDetector) -> None:
    turned = read_pictures("obama_speech", 12)[-1]
    mirrored = turned[:, ::-1].copy()
    yaws = []
    for picture in (turned, mirrored):
        found = detector.detect([picture])[0]
        speaker = max(found, key=lambda box: box.height)
        yaws.append(assess_face(picture, speaker).yaw_degrees or 0.0)
    assert yaws[0] < -10 < 10 < yaws[1] < MAX_YAW_DEGREES
