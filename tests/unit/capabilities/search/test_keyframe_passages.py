"""Passages of pictures: each shot is covered, each with the key frame that shows it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.search.keyframe_passages import make_keyframe_passages
from cinemill.core.findings.finding import ALIKE_SHOTS, Finding
from cinemill.core.retrieval.passages import Passage, PassageTrack


def make_shots(*borders_ms: int) -> list[Finding]:
    return [Finding(start, end, "shot") for start, end in pairwise(borders_ms)]


def make_keyframe(time_ms: int, *alike_ms: int) -> Finding:
    details = {ALIKE_SHOTS: list(alike_ms)} if alike_ms else {}
    return Finding(time_ms, time_ms + 40, "keyframe", details=details)


def describe(passages: list[Passage]) -> list[tuple[int, int, int | None]]:
    return [(one.start_ms, one.end_ms, one.frame_ms) for one in passages]


def test_shot_belongs_to_its_key_frame() -> None:
    found = make_keyframe_passages([make_keyframe(500)], make_shots(0, 4000))
    assert describe(found) == [(0, 4000, 500)]
    assert found[0].track is PassageTrack.KEYFRAME
    assert found[0].text == ""


def test_shot_with_several_key_frames_is_divided_halfway() -> None:
    keyframes = [make_keyframe(500), make_keyframe(2001), make_keyframe(3000)]
    found = make_keyframe_passages(keyframes, make_shots(0, 4000))
    assert describe(found) == [(0, 1251, 500), (1251, 2501, 2001), (2501, 4000, 3000)]


def test_shot_that_looks_like_an_earlier_one_has_its_key_frame() -> None:
    keyframes = [make_keyframe(500, 2000, 6000), make_keyframe(5000)]
    found = make_keyframe_passages(keyframes, make_shots(0, 2000, 4000, 6000, 7000))
    assert describe(found) == [
        (0, 2000, 500),
        (2000, 4000, 500),
        (4000, 6000, 5000),
        (6000, 7000, 500),
    ]


def test_shot_without_any_picture_is_left_out() -> None:
    assert describe(make_keyframe_passages([make_keyframe(10)], make_shots(0, 50, 90))) == [
        (0, 50, 10)
    ]
    assert make_keyframe_passages([], make_shots(0, 50)) == []
    assert make_keyframe_passages([make_keyframe(10)], []) == []


@given(
    st.sets(st.integers(1, 10_000), max_size=10),
    st.sets(st.integers(0, 10_000), max_size=30),
)
def test_passages_are_in_order_and_none_overlap(cuts: set[int], times: set[int]) -> None:
    shots = make_shots(0, *sorted(cuts), 10_001)
    keyframes = [make_keyframe(time_ms) for time_ms in sorted(times)]
    found = make_keyframe_passages(keyframes, shots)
    assert [one.number for one in found] == [*range(len(keyframes))]
    assert [one.frame_ms for one in found] == sorted(times)
    assert all(one.start_ms <= (one.frame_ms or 0) < one.end_ms for one in found)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(found))
