"""Faces that several searches of one picture found."""

from __future__ import annotations

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.detector import MAX_FACES, merge_faces


def test_of_two_boxes_of_one_face_the_earlier_is_kept() -> None:
    whole, half = FaceBox(100, 100, 40, 50, 0.7), FaceBox(100, 100, 20, 50, 0.9)
    assert merge_faces([whole, half]) == (whole,)


def test_different_faces_are_all_kept_the_most_certain_first() -> None:
    first, second = FaceBox(100, 100, 40, 50, 0.7), FaceBox(135, 100, 40, 50, 0.9)
    assert merge_faces([first, second]) == (second, first)


def test_known_faces_that_overlap_are_all_kept_and_their_parts_left_out() -> None:
    behind, before = FaceBox(100, 100, 120, 160, 0.8), FaceBox(180, 180, 60, 80, 0.7)
    part, other = FaceBox(110, 110, 40, 50, 0.95), FaceBox(400, 100, 40, 50, 0.9)
    assert merge_faces([part, other], [behind, before]) == (other, behind, before)


def test_known_face_is_kept_where_a_search_finds_more_faces_than_are_counted() -> None:
    known = FaceBox(0, 0, 40, 50, 0.55)
    crowd = [FaceBox(50.0 * number, 100, 30, 40, 0.9) for number in range(2 * MAX_FACES)]
    found = merge_faces(crowd, [known])
    assert len(found) == MAX_FACES
    assert found[-1] == known
