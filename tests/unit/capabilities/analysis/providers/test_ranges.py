"""Ranges that a vision model is asked about: they cover the video once, and follow its shots."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.analysis.providers.ranges import MOST_RANGES, RANGE_MS, plan_ranges
from cinemill.core.frames import Shot


def make_shots(lengths: list[int]) -> list[Shot]:
    ends = [sum(lengths[: number + 1]) for number in range(len(lengths))]
    return [Shot(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def test_short_shots_share_a_range() -> None:
    shots = make_shots([8_000, 9_000, 10_000, 12_000])
    assert plan_ranges(shots, 0) == [(0, 27_000), (27_000, 39_000)]


def test_long_shot_is_divided_evenly() -> None:
    shots = make_shots([5_000, 70_000, 5_000])
    assert plan_ranges(shots, 0) == [
        *((0, 5_000), (5_000, 28_333), (28_333, 51_666), (51_666, 75_000)),
        (75_000, 80_000),
    ]


def test_without_shots_the_whole_video_is_divided() -> None:
    assert plan_ranges([], 45_000) == [(0, 22_500), (22_500, 45_000)]


def test_empty_video_has_no_range() -> None:
    assert plan_ranges([], 0) == []


def test_ranges_of_a_very_long_video_are_longer() -> None:
    ranges = plan_ranges([], 12 * 3_600_000)
    assert len(ranges) == MOST_RANGES
    assert ranges[0] == (0, 180_000)


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=40))
def test_ranges_cover_the_video_once(lengths: list[int]) -> None:
    shots = make_shots(lengths)
    ranges = plan_ranges(shots, 0)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == sum(lengths)
    assert all(one[1] == following[0] for one, following in pairwise(ranges))
    longest_ms = max(RANGE_MS, -(-sum(lengths) // MOST_RANGES))
    assert all(0 < end - start <= longest_ms for start, end in ranges)
