"""The end of a video's last frame, whatever is stated of it and in whatever order frames come."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.timing import LastFrame, find_last_frame

times = st.lists(st.integers(-(10**6), 10**9), min_size=1, max_size=50, unique=True)
durations = st.integers(0, 10**6)


@pytest.mark.parametrize(
    ("frames", "stated_end", "step", "found"),
    [
        ([], None, 1, None),
        ([(0, 40)], None, 0, LastFrame(0, 40)),
        ([(0, 0)], None, 40, LastFrame(0, 40)),
        ([(0, 0)], None, 0, LastFrame(0, 0)),
        ([(0, 0)], 10_000, 40, LastFrame(0, 10_000)),
        ([(0, 0), (40, 0), (80, 0)], None, 7, LastFrame(80, 40)),
        # A long gap before the last frame says nothing of its length.
        ([(0, 0), (40, 0), (80, 0), (3000, 0)], None, 0, LastFrame(3000, 40)),
        # Stored before others, and held: its own duration is that of its place in the file.
        ([(0, 40), (3000, 40), (40, 40)], 5960, 40, LastFrame(3000, 2960)),
        # The header counts frames as if there were no gap.
        ([(0, 40), (3000, 40), (40, 40)], 120, 40, LastFrame(3000, 40)),
    ],
)
def test_last_frame_of_known_videos(
    frames: list[tuple[int, int]], stated_end: int | None, step: int, found: LastFrame | None
) -> None:
    assert find_last_frame(frames, stated_end=stated_end, usual_step=step) == found


@given(times, durations, durations, st.randoms(use_true_random=False))
def test_last_frame_does_not_depend_on_the_stored_order(
    starts: list[int], duration: int, step: int, chance: random.Random
) -> None:
    frames = [(start, duration) for start in starts]
    shuffled = chance.sample(frames, len(frames))
    last = find_last_frame(frames, usual_step=step)
    assert last == find_last_frame(shuffled, usual_step=step)
    assert last is not None
    assert last.start == max(starts)
    assert not duration or last.length == duration


@given(times, durations, st.integers(-(10**6), 2 * 10**9))
def test_last_frame_ends_where_the_container_says_unless_it_begins_later(
    starts: list[int], duration: int, stated_end: int
) -> None:
    last = find_last_frame([(start, duration) for start in starts], stated_end=stated_end)
    assert last is not None
    assert last.length >= 0
    if stated_end > max(starts):
        assert last.end == stated_end
    else:
        assert last == find_last_frame([(start, duration) for start in starts])


@given(times, durations, st.integers(-(10**9), 10**9))
def test_last_frame_moves_with_the_clock(starts: list[int], duration: int, shift: int) -> None:
    last = find_last_frame([(start, duration) for start in starts], usual_step=1)
    moved = find_last_frame([(start + shift, duration) for start in starts], usual_step=1)
    assert last is not None
    assert moved == LastFrame(last.start + shift, last.length)
