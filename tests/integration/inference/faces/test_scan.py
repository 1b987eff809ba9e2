"""Frames of real videos with their faces: which can be examined, and why others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.faces import blur, read_frames

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.capabilities.detection.verdict.reasons import Reason
from cinemill.capabilities.detection.verdict.verdict import decide_verdict
from cinemill.core.frames import Frame
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.scan import (
    CLOSE_LOOK_EVERY,
    ScannedFrame,
    count_exclusions,
    scan_frames,
)
from cinemill.inference.faces.tracks import link_faces
from cinemill.inference.vision.resampling import resize


def scan(detector: FaceDetector, frames: list[Frame], shot: int = 1) -> list[ScannedFrame]:
    return list(scan_frames(detector, ((frame, shot) for frame in frames)))


def test_two_faces_are_two_tracks_through_the_whole_shot(detector: FaceDetector) -> None:
    scanned = scan(detector, read_frames("obama_speech", 12))
    tracks = link_faces(frame.usable_faces for frame in scanned)
    assert count_exclusions(scanned) == {}
    assert [track.number for track in tracks] == [1, 2]
    assert [len(track.faces) for track in tracks] == [12, 12]
    middles = [np.mean([face.box.left for face in track.faces]) for track in tracks]
    assert abs(middles[0] - middles[1]) > 80


@pytest.mark.parametrize("sample", ["no_face", "bigbuckbunny"])
def test_frames_without_a_face_are_excluded_and_counted(
    detector: FaceDetector, sample: str
) -> None:
    scanned = scan(detector, read_frames(sample, 4))
    assert count_exclusions(scanned) == {"no_face": 4}
    assert link_faces(frame.usable_faces for frame in scanned) == []


def test_expressive_face_is_one_track(detector: FaceDetector) -> None:
    scanned = scan(detector, read_frames("expressive_face", 12))
    (track,) = link_faces(frame.usable_faces for frame in scanned)
    assert len(track.faces) == 12


def test_face_that_appears_begins_its_track_then(detector: FaceDetector) -> None:
    frames = read_frames("noface_face", 12)
    scanned = scan(detector, frames)
    (track,) = link_faces(frame.usable_faces for frame in scanned)
    assert track.start_ms > 3500
    assert count_exclusions(scanned) == {"no_face": 12 - len(track.faces)}


def test_frames_are_excluded_for_the_flaw_of_their_largest_face(detector: FaceDetector) -> None:
    frame = read_frames("single_face", 1)[0]
    small = np.full((360, 500, 3), 120, np.uint8)
    small[100:136, 200:264] = resize(frame.pixels, 64, 36)
    frames = [
        frame,
        replace(frame, pixels=small),
        replace(frame, pixels=np.zeros_like(frame.pixels)),
        replace(frame, pixels=blur(frame.pixels, 5)),
    ]
    scanned = scan(detector, frames)
    assert [one.exclusion for one in scanned] == ["", "face_too_small", "no_face", "face_blurred"]
    assert count_exclusions(scanned) == {"face_too_small": 1, "no_face": 1, "face_blurred": 1}
    assert [len(one.usable_faces.boxes) for one in scanned] == [1, 0, 0, 0]


def test_face_too_small_for_any_search_of_the_reduced_picture_is_no_missing_face(
    detector: FaceDetector,
) -> None:
    frame = read_frames("single_face", 1)[0]
    pixels = np.full((1080, 1920, 3), 120, np.uint8)
    pixels[700:757, 1200:1301] = resize(frame.pixels, 101, 57)  # a face of 24 × 32
    scanned = scan(detector, [replace(frame, pixels=pixels)] * CLOSE_LOOK_EVERY)
    assert count_exclusions(scanned)["face_too_small"] >= 1
    faces = FaceCounts(
        frames=len(scanned),
        frames_without_face=CLOSE_LOOK_EVERY - 1,
        usable=0,
        excluded=dict(Counter(face.flaw.value for one in scanned for face in one.faces)),
    )
    verdict = decide_verdict(faces, None, None)
    assert (verdict.band, verdict.reasons) == (
        Band.INCONCLUSIVE,
        (Reason.TOO_FEW_FACES, Reason.FACES_TOO_SMALL),
    )


def test_frames_are_scanned_in_order_and_one_at_a_time(detector: FaceDetector) -> None:
    taken: list[Frame] = []

    def take_frames() -> Iterator[tuple[Frame, int]]:
        for frame in read_frames("single_face", 8):
            taken.append(frame)
            yield frame, 1

    scanned = scan_frames(detector, take_frames())
    first = next(scanned)
    assert first.frame is taken[0]
    assert len(taken) == 1
    assert [one.frame.time_ms for one in scanned] == [frame.time_ms for frame in taken[1:]]
