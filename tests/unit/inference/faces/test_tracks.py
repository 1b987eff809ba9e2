"""Tracks: each face once, never across a shot, however frames and boxes are ordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.faces import FaceBox, FaceTrack, TrackedFace
from cinemill.inference.faces.tracks import MAX_MISSED_FRAMES, FrameFaces, link_faces

FRAME_MS = 40


def make_box(
    left: float, top: float = 50.0, side: float = 100.0, *, has_points: bool = True
) -> FaceBox:
    shares = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    points = tuple((left + x * side, top + y * side) for x, y in shares)
    return FaceBox(left, top, side, side, 0.9, points if has_points else ())


boxes = st.builds(
    make_box,
    st.integers(0, 600).map(float),
    st.integers(0, 300).map(float),
    st.integers(5, 200).map(float),
    has_points=st.booleans(),
)


@st.composite
def films(draw: st.DrawFn) -> list[FrameFaces]:
    """Return frames at different times; the number of the shot never falls."""
    counts = draw(st.lists(st.lists(boxes, max_size=4, unique=True), min_size=1, max_size=10))
    steps = draw(st.lists(st.integers(1, 3000), min_size=len(counts), max_size=len(counts)))
    cuts = draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts)))
    frames, time_ms, shot = [], 0, 0
    for found, step, is_cut in zip(counts, steps, cuts, strict=True):
        time_ms, shot = time_ms + step, shot + is_cut
        frames.append(FrameFaces(time_ms, shot, tuple(found)))
    return frames


def list_faces(frames: Sequence[FrameFaces]) -> Counter[TrackedFace]:
    return Counter(TrackedFace(frame.time_ms, box) for frame in frames for box in frame.boxes)


@given(films())
def test_tracks_hold_each_face_once(film: list[FrameFaces]) -> None:
    tracks = link_faces(film)
    assert Counter(face for track in tracks for face in track.faces) == list_faces(film)


@given(films())
def test_track_stays_in_one_shot(film: list[FrameFaces]) -> None:
    shots = {frame.time_ms: frame.shot for frame in film}
    for track in link_faces(film):
        assert len({shots[face.time_ms] for face in track.faces}) == 1


@given(films())
def test_track_has_one_face_for_a_frame_in_order_of_time(film: list[FrameFaces]) -> None:
    for track in link_faces(film):
        times = [face.time_ms for face in track.faces]
        assert times == sorted(set(times))


@given(films())
def test_tracks_are_numbered_by_first_appearance(film: list[FrameFaces]) -> None:
    tracks = link_faces(film)
    assert [track.number for track in tracks] == list(range(1, len(tracks) + 1))
    assert [track.start_ms for track in tracks] == sorted(track.start_ms for track in tracks)


@given(films(), st.randoms(use_true_random=False))
def test_order_of_frames_and_boxes_does_not_matter(film: list[FrameFaces], random: Random) -> None:
    shuffled = []
    for frame in film:
        mixed = list(frame.boxes)
        random.shuffle(mixed)
        shuffled.append(replace(frame, boxes=tuple(mixed)))
    random.shuffle(shuffled)
    assert link_faces(shuffled) == link_faces(film)


def film_of(*rows: Sequence[FaceBox], shot: int = 1, step_ms: int = FRAME_MS) -> list[FrameFaces]:
    return [FrameFaces(number * step_ms, shot, tuple(row)) for number, row in enumerate(rows)]


def lefts(track: FaceTrack) -> list[float]:
    return [face.box.left for face in track.faces]


def test_moving_face_is_one_track() -> None:
    (track,) = link_faces(film_of(*([make_box(left)] for left in range(0, 300, 30))))
    assert lefts(track) == [float(left) for left in range(0, 300, 30)]


def test_faces_that_move_together_keep_their_tracks() -> None:
    """One stands where the other stood: the nearest pair alone would be the wrong one."""
    film = film_of([make_box(0), make_box(60)], [make_box(60), make_box(120)], step_ms=500)
    first, second = link_faces(film)
    assert (lefts(first), lefts(second)) == ([0.0, 60.0], [60.0, 120.0])


def test_face_on_the_other_side_of_a_cut_is_another_track() -> None:
    film = [FrameFaces(0, 1, (make_box(10),)), FrameFaces(40, 2, (make_box(10),))]
    assert len(link_faces(film)) == 2


@pytest.mark.parametrize(
    ("missed", "tracks"), [(1, 1), (MAX_MISSED_FRAMES, 1), (MAX_MISSED_FRAMES + 1, 2)]
)
def test_face_may_be_missed_in_a_few_frames(missed: int, tracks: int) -> None:
    film = film_of([make_box(10)], *([[]] * missed), [make_box(15)])
    assert len(link_faces(film)) == tracks


def test_face_far_away_is_another_track() -> None:
    assert len(link_faces(film_of([make_box(0)], [make_box(400)]))) == 2


def test_face_of_another_size_is_another_track() -> None:
    film = film_of([make_box(0, 0, 200)], [make_box(80, 80, 40)], step_ms=FRAME_MS)
    assert len(link_faces(film)) == 2


def test_more_time_lets_a_face_move_further() -> None:
    rows = ([make_box(0)], [make_box(120)])
    assert len(link_faces(film_of(*rows, step_ms=FRAME_MS))) == 2
    assert len(link_faces(film_of(*rows, step_ms=1000))) == 1


def test_no_frames_have_no_tracks() -> None:
    assert link_faces([]) == []
    assert link_faces(film_of([], [])) == []


def test_forty_faces_keep_their_forty_tracks() -> None:
    def crowd(shift: float) -> list[FaceBox]:
        return [make_box(60.0 * (n % 8) + shift, 60.0 * (n // 8), 40) for n in range(40)]

    tracks = link_faces(film_of(*(crowd(4.0 * frame) for frame in range(5))))
    assert [len(track.faces) for track in tracks] == [5] * 40
    assert all(track.end_ms == 4 * FRAME_MS for track in tracks)
