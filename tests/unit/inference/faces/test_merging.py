"""Faces that several searches of one picture found."""

from __future__ import annotations

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.detector import merge_faces


def test_of_two_boxes_of_one_face_the_earlier_is_kept() -> None:
    whole, half = FaceBox(100, 100, 40, 50, 0.7), FaceBox(100, 100, 20, 50, 0.9)
    assert merge_faces([whole, half]) == (whole,)


def test_different_faces_are_all_kept_the_most_certain_first() -> None:
    first, second = FaceBox(100, 100, 40, 50, 0.7), FaceBox(135, 100, 40, 50, 0.9)
    assert merge_faces([first, second]) == (second, first)
