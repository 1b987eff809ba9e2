"""Faces that the real detector finds in real pictures, and those it must not find."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.faces import Pixels, read_frames, read_pictures, tile
from tests.model_files import fetch_models

from cinemill.core.faces import FaceBox
from cinemill.errors import ToolMissing
from cinemill.inference.faces.detector import FaceDetector, open_face_detector
from cinemill.inference.faces.quality import FaceFlaw, assess_face, find_flaw
from cinemill.inference.faces.suppression import measure_overlaps
from cinemill.inference.vision.resampling import resize

SECONDS_WITH_A_FACE = (3.9, 6.0)
"""Of the sample noface_face."""


def find_one(detector: FaceDetector, picture: Pixels) -> FaceBox:
    (boxes,) = detector.detect([picture])
    assert len(boxes) == 1
    return boxes[0]


def overlap(first: FaceBox, second: FaceBox) -> float:
    edges = np.array(
        [[b.left, b.top, b.left + b.width, b.top + b.height] for b in (first, second)], np.float32
    )
    return float(measure_overlaps(edges[0], edges[1:])[0])


def place_points(box: FaceBox) -> list[tuple[float, float]]:
    """Return the points as shares of the box."""
    return [((x - box.left) / box.width, (y - box.top) / box.height) for x, y in box.points]


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    """Return a picture of 640×360 with a face of about 150×210."""
    return read_pictures("single_face", 1)[0]


@pytest.mark.parametrize(
    ("sample", "faces"),
    [
        ("obama_speech", 2),
        ("expressive_face", 1),
        ("single_face", 1),
        ("carphone", 1),
        ("no_face", 0),
        ("shot_change", 0),
        ("bigbuckbunny", 0),
    ],
)
def test_every_frame_of_a_sample_shows_its_faces(
    detector: FaceDetector, sample: str, faces: int
) -> None:
    found = detector.detect(read_pictures(sample, 4))
    assert [len(boxes) for boxes in found] == [faces] * 4


@pytest.mark.parametrize("sample", ["bigbuckbunny", "no_face"])
def test_closer_look_at_a_large_picture_finds_no_false_faces(
    detector: FaceDetector, sample: str
) -> None:
    """Pictures as they are, and enlarged: then parts of the cartoon look like faces in a tile."""
    for picture in read_pictures(sample, 12):
        large = resize(picture, 1920, 1080)
        assert detector.detect([picture, large]) == [(), ()]
        assert detector.detect_smallest(picture) == ()


def test_face_that_appears_is_found_from_then_on(detector: FaceDetector) -> None:
    frames = read_frames("noface_face", 12)
    found = detector.detect([frame.pixels for frame in frames])
    first, last = SECONDS_WITH_A_FACE
    for frame, boxes in zip(frames, found, strict=True):
        assert len(boxes) == (first <= frame.time_ms / 1000 <= last), frame.time_ms


def test_face_has_its_eyes_nose_and_mouth_in_their_places(
    detector: FaceDetector, portrait: Pixels
) -> None:
    box = find_one(detector, portrait)
    assert (box.left, box.top) == pytest.approx((221, 94), abs=8)
    assert (box.width, box.height) == pytest.approx((151, 205), abs=12)
    left_eye, right_eye, nose, left_mouth, right_mouth = place_points(box)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert all(0 < share < 1 for point in place_points(box) for share in point)


@pytest.mark.parametrize("width", [1920, 960, 320, 161])
def test_box_scales_with_the_picture(detector: FaceDetector, portrait: Pixels, width: int) -> None:
    expected, scale = find_one(detector, portrait), width / 640
    found = find_one(detector, resize(portrait, width, round(360 * scale)))
    edges = (expected.left, expected.top, expected.width, expected.height)
    left, top, box_width, box_height = (edge * scale for edge in edges)
    scaled = FaceBox(left, top, box_width, box_height, expected.score)
    assert overlap(scaled, found) > 0.8


def test_upright_picture_of_a_phone_is_searched_as_well(
    detector: FaceDetector, portrait: Pixels
) -> None:
    narrow = portrait[:, 130:430]
    box = find_one(detector, np.vstack([narrow, np.repeat(narrow[:1], 300, axis=0)]))
    assert box.left == pytest.approx(91, abs=8)


def test_pictures_of_different_sizes_are_found_as_by_themselves(
    detector: FaceDetector, portrait: Pixels
) -> None:
    pictures = [portrait, resize(portrait, 320, 180), read_pictures("no_face", 1)[0], portrait]
    together = detector.detect(pictures)
    for alone, boxes in zip((detector.detect([one])[0] for one in pictures), together, strict=True):
        assert len(alone) == len(boxes)
        assert all(overlap(a, b) > 0.98 for a, b in zip(alone, boxes, strict=True))


def test_forty_faces_are_found(detector: FaceDetector, portrait: Pixels) -> None:
    face = resize(portrait[40:340, 150:450], 160, 160)
    (boxes,) = detector.detect([tile(face, 5, 8)])
    cells = {(int(b.left + b.width / 2) // 160, int(b.top + b.height / 2) // 160) for b in boxes}
    assert len(boxes) == len(cells) == 40


def test_face_of_twenty_pixels_is_found_and_called_too_small(
    detector: FaceDetector, portrait: Pixels
) -> None:
    picture = np.full((360, 500, 3), 120, np.uint8)
    small = resize(portrait, 64, 36)
    picture[100:136, 200:264] = small
    box = find_one(detector, picture)
    assert 12 <= box.height <= 28
    assert find_flaw(assess_face(picture, box)) is FaceFlaw.TOO_SMALL


@pytest.mark.parametrize(("shape", "side"), [((1080, 1920), 36), ((1920, 1080), 45)])
def test_small_faces_of_a_large_picture_are_found_anywhere(
    detector: FaceDetector, portrait: Pixels, shape: tuple[int, int], side: int
) -> None:
    scale = side / 176  # the square root of 151 × 205
    small = resize(portrait, round(640 * scale), round(360 * scale))
    height, width = small.shape[:2]
    picture = np.full((*shape, 3), 120, np.uint8)
    places = [
        (share_y * (shape[0] - height), share_x * (shape[1] - width))
        for share_y in (0, 0.31, 0.53, 1)
        for share_x in (0, 0.27, 0.49, 1)
    ]
    for top, left in places:
        picture[round(top) : round(top) + height, round(left) : round(left) + width] = small
    (boxes,) = detector.detect([picture])
    assert len(boxes) == len(places)
    assert {find_flaw(assess_face(picture, box)) for box in boxes} <= {
        FaceFlaw.NONE,
        FaceFlaw.BLURRED,
    }


PORTRAIT_FACE = (221, 94, 151, 205)
"""Left, top, width and height of the face of the portrait."""


def place_face(portrait: Pixels, center: tuple[int, int], side: int) -> tuple[Pixels, FaceBox]:
    """Return a picture of 1920×1080 with a face of this size there, and its box."""
    scale = side / 176  # the square root of 151 × 205
    small = resize(portrait, round(640 * scale), round(360 * scale))
    left, top, width, height = (edge * scale for edge in PORTRAIT_FACE)
    x, y = round(center[0] - left - width / 2), round(center[1] - top - height / 2)
    picture = np.full((1080, 1920, 3), 120, np.uint8)
    picture[y : y + small.shape[0], x : x + small.shape[1]] = small
    return picture, FaceBox(x + left, y + top, width, height, 1.0)


@pytest.mark.parametrize("side", [36, 44])
@pytest.mark.parametrize(
    "center",
    [(1024, 300), (1018, 300), (896, 300), (500, 640), (500, 440), (1024, 640), (896, 440)],
)
def test_face_on_the_border_of_a_tile_is_found_whole(
    detector: FaceDetector, portrait: Pixels, center: tuple[int, int], side: int
) -> None:
    picture, expected = place_face(portrait, center, side)
    assert overlap(find_one(detector, picture), expected) > 0.6


def test_large_faces_are_found_once_in_a_large_picture(
    detector: FaceDetector, portrait: Pixels
) -> None:
    expected = find_one(detector, portrait)
    found = find_one(detector, resize(portrait, 1920, 1080))
    assert found.height == pytest.approx(3 * expected.height, rel=0.1)


def test_face_beyond_the_edge_is_boxed_within_the_picture_and_called_cut_off(
    detector: FaceDetector, portrait: Pixels
) -> None:
    picture = portrait[:, 290:]
    for box in detector.detect([picture])[0]:
        assert box.left >= 0
        assert find_flaw(assess_face(picture, box)) is FaceFlaw.CUT_OFF


@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (900, 7), (360, 640)])
@pytest.mark.parametrize("value", [0, 255])
def test_plain_picture_has_no_faces(
    detector: FaceDetector, shape: tuple[int, int], value: int
) -> None:
    assert detector.detect([np.full((*shape, 3), value, np.uint8)]) == [()]


def test_noise_has_no_faces(detector: FaceDetector) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    assert detector.detect([noise]) == [()]


def test_no_pictures_have_no_faces(detector: FaceDetector) -> None:
    assert detector.detect([]) == []


def test_boxes_are_the_same_every_time(detector: FaceDetector, portrait: Pixels) -> None:
    assert detector.detect([portrait]) == detector.detect([portrait])


def test_model_with_one_byte_changed_is_refused(tmp_path: Path) -> None:
    folder = fetch_models("centerface")
    shutil.copytree(folder / "centerface", tmp_path / "centerface")
    path = tmp_path / "centerface" / "centerface.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ToolMissing) as refused:
        open_face_detector(tmp_path)
    assert refused.value.code == "model_damaged"


def test_missing_model_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="centerface") as missing:
        open_face_detector(tmp_path)
    assert missing.value.code == "model_missing"
    assert "cinemill models fetch centerface" in missing.value.hint
