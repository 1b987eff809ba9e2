"""Which frames of a video may be copied into a piece as they are stored."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.pieces.copy_ranges import CopyRange, StoredFrame, find_copy_range


def store(groups: list[int], *, first: int = 0, is_open: bool = False) -> list[StoredFrame]:
    """Return frames in groups of these lengths, the last two of each stored in reverse order.

    In open groups one frame is shown before its key frame.
    """
    stored, shown = [], first
    for length in groups:
        numbers = list(range(shown, shown + length))
        lead = 1 if is_open and length > 1 and shown > first else 0
        key, others = numbers[lead], [*numbers[:lead], *numbers[lead + 1 :]]
        order = [*others[:-2], *reversed(others[-2:])]
        stored += [StoredFrame(key, True), *(StoredFrame(n, False) for n in order)]
        shown += length
    return stored


videos = st.builds(
    lambda groups, first: store(groups, first=first),
    st.lists(st.integers(1, 20), min_size=1, max_size=12),
    st.integers(-60, 10),
)


@given(videos, st.integers(1, 80))
def test_copy_range_has_consecutive_frames(stored: list[StoredFrame], frames: int) -> None:
    copied = find_copy_range(stored, frames)
    if copied is None:
        return
    chosen = stored[copied.begin : copied.end]
    assert chosen[0].is_key
    assert copied.end == len(stored) or stored[copied.end].is_key
    numbers = sorted(frame.number for frame in chosen)
    assert numbers == list(range(copied.first, copied.first + copied.frames))
    assert numbers[0] >= 0
    assert numbers[-1] < frames


@given(videos, st.integers(1, 80))
def test_copy_range_holds_all_whole_groups_within_the_piece(
    stored: list[StoredFrame], frames: int
) -> None:
    keys = [place for place, frame in enumerate(stored) if frame.is_key]
    whole = [
        end - begin
        for begin, end in pairwise([*keys, len(stored)])
        if stored[begin].number >= 0 and stored[begin].number + end - begin <= frames
    ]
    copied = find_copy_range(stored, frames)
    assert (copied.frames if copied else 0) == sum(whole)


def test_copy_range_excludes_open_groups() -> None:
    stored = store([10, 10, 10, 10], is_open=True)
    assert find_copy_range(stored, 40) == CopyRange(0, 10, 0)
    assert find_copy_range(stored[10:], 40) is None


def test_copy_range_is_the_longer_side_of_a_broken_group() -> None:
    good = store([10])
    broken = [p for p in store([10], first=10) if p.number != 15]
    longer = store([10, 10], first=20)
    copied = find_copy_range([*good, *broken, *longer], 40)
    assert copied is not None
    assert (copied.first, copied.frames) == (20, 20)


@pytest.mark.parametrize("frames", [9, 5, 1])
def test_copy_range_excludes_groups_longer_than_the_piece(frames: int) -> None:
    assert find_copy_range(store([10]), frames) is None


def test_video_with_changing_settings_has_no_copy_range() -> None:
    stored = store([10, 10, 10])
    stored[10] = replace(stored[10], is_plain=False)
    assert find_copy_range(stored, 30) is None


def test_no_frames_have_no_copy_range() -> None:
    assert find_copy_range([], 10) is None
