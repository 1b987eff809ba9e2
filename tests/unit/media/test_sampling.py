"""Frames chosen from an index: spread over shots, exact numbers, bursts that stay in their shot."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.frames import Shot
from cinemill.core.media import SourceFormat
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.sampling import choose_frames, share_out


def make_index(
    pts: list[int], time_base: Fraction = Fraction(1, 1000), *, key_every: int = 12
) -> FrameIndex:
    return FrameIndex(
        container=SourceFormat.MP4,
        time_base=time_base,
        pts=np.array(pts, dtype=np.int64),
        is_key=np.array([n % key_every == 0 for n in range(len(pts))]),
        packet_bytes=1,
        last_duration=40,
        has_packet_times=True,
        is_seekable=True,
        is_cut_off=False,
    )


def regular(count: int, step: int = 40) -> FrameIndex:
    return make_index([500 + n * step for n in range(count)])


def test_frames_are_the_middles_of_equal_parts_of_one_shot() -> None:
    index = make_index([500 + n * 40 for n in range(101)], key_every=1000)
    assert choose_frames(index, [Shot(0, 4040)], 4) == [980, 1980, 2980, 3980]


def test_key_frames_near_the_middles_are_preferred() -> None:
    assert choose_frames(regular(101), [Shot(0, 4040)], 4) == [980, 1940, 2900, 3860]


def test_each_shot_gets_a_frame_and_long_ones_more() -> None:
    index = regular(1000)
    shots = [Shot(0, 400), Shot(400, 36_000), Shot(36_000, 40_000)]
    times = [pts - 500 for pts in choose_frames(index, shots, 16)]
    assert len(times) == 16
    in_shots = [sum(shot.start_ms <= t < shot.end_ms for t in times) for shot in shots]
    assert in_shots[0] == 1
    assert in_shots[1] >= 13
    assert in_shots[2] >= 1


def test_more_shots_than_frames_are_sampled_evenly() -> None:
    shots = [Shot(n * 400, (n + 1) * 400) for n in range(100)]
    chosen = choose_frames(regular(1000), shots, 8)
    assert len(chosen) == 8
    steps = np.diff(chosen)
    assert steps.min() > 4000
    assert steps.max() < 6000


def test_short_video_gives_all_its_frames() -> None:
    index = regular(5)
    assert choose_frames(index, [Shot(0, 200)], 32) == index.pts.tolist()


def test_video_without_shots_is_sampled_as_one() -> None:
    assert len(choose_frames(regular(500), [], 32)) == 32


def test_burst_goes_on_with_the_next_frames_of_the_shot() -> None:
    index = regular(100)
    chosen = choose_frames(index, [Shot(0, 4000)], 4, burst=3)
    numbers = [index.find(pts) for pts in chosen]
    starts = numbers[::3]
    assert numbers == [start + n for start in starts for n in range(3)]


@pytest.mark.parametrize(("count", "burst"), [(0, 1), (1, 0), (-3, 2)])
def test_counts_below_one_are_refused(count: int, burst: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        choose_frames(regular(10), [], count, burst=burst)


@st.composite
def videos(draw: st.DrawFn) -> tuple[FrameIndex, list[Shot]]:
    steps = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=120))
    index = make_index([int(t) for t in np.cumsum(steps)])
    marks = sorted(draw(st.sets(st.integers(1, index.end_ms), max_size=30)))
    edges = [0, *marks, index.end_ms + 1]
    return index, [Shot(a, b) for a, b in itertools.pairwise(edges)]


@given(videos(), st.integers(1, 40), st.integers(1, 4))
def test_chosen_frames_exist_are_ordered_and_no_more_than_asked(
    video: tuple[FrameIndex, list[Shot]], count: int, burst: int
) -> None:
    index, shots = video
    chosen = choose_frames(index, shots, count, burst=burst)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(index.pts.tolist())
    assert min(count, len(index)) <= len(chosen) <= count * burst


@given(videos(), st.integers(1, 40))
def test_every_shot_with_a_frame_is_seen_if_there_are_enough_frames(
    video: tuple[FrameIndex, list[Shot]], count: int
) -> None:
    index, shots = video
    times = index.times_ms
    filled = [s for s in shots if ((times >= s.start_ms) & (times < s.end_ms)).any()]
    chosen = [index.time_ms(pts) for pts in choose_frames(index, shots, count)]
    seen = sum(any(s.start_ms <= t < s.end_ms for t in chosen) for s in filled)
    assert seen >= min(len(filled), 1)
    if len(filled) <= count:
        assert seen == len(filled)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.integers(1, 100))
def test_shares_add_up_and_fit(lengths: list[int], count: int) -> None:
    shares = share_out(lengths, count)
    assert sum(shares) == min(count, sum(lengths))
    assert all(0 <= share <= length for share, length in zip(shares, lengths, strict=True))


def test_index_finds_the_frame_on_screen_and_its_key_frame() -> None:
    index = make_index([10, 50, 90, 1000], Fraction(1, 1000))
    assert [index.shown_at(ms) for ms in (-5, 0, 39, 40, 500, 10_000)] == [0, 0, 0, 1, 2, 3]
    assert index.key_before(90) == 10
    assert index.end_ms == 1030
    with pytest.raises(KeyError):
        index.find(51)


@given(st.integers(-(10**6), 10**6), st.sampled_from([(1, 90_000), (1001, 30_000), (1, 600)]))
def test_times_of_all_frames_equal_the_times_of_each(first: int, base: tuple[int, int]) -> None:
    index = make_index([first + n * n * 7 for n in range(40)], Fraction(*base))
    assert index.times_ms.tolist() == [index.time_ms(int(pts)) for pts in index.pts]
