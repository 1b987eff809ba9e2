"""Which pictures of a film may be copied into a piece as they are stored."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.pieces.copy_ranges import CopyRange, StoredFrame, find_copy_range


def store(groups: list[int], *, first: int = 0, is_open: bool = False) -> list[StoredFrame]:
    """Pictures in groups of so many, of which the last two of each are stored in reverse; where
    groups are open, a picture of each is shown before its key frame."""
    pictures, shown = [], first
    for length in groups:
        numbers = list(range(shown, shown + length))
        lead = 1 if is_open and length > 1 and shown > first else 0
        key, others = numbers[lead], [*numbers[:lead], *numbers[lead + 1 :]]
        order = [*others[:-2], *reversed(others[-2:])]
        pictures += [StoredFrame(key, True), *(StoredFrame(n, False) for n in order)]
        shown += length
    return pictures


films = st.builds(
    lambda groups, first: store(groups, first=first),
    st.lists(st.integers(1, 20), min_size=1, max_size=12),
    st.integers(-60, 10),
)


@given(films, st.integers(1, 80))
def test_what_is_copied_is_shown_without_a_gap(pictures: list[StoredFrame], frames: int) -> None:
    stretch = find_copy_range(pictures, frames)
    if stretch is None:
        return
    chosen = pictures[stretch.begin : stretch.end]
    assert chosen[0].is_key
    assert stretch.end == len(pictures) or pictures[stretch.end].is_key
    numbers = sorted(picture.number for picture in chosen)
    assert numbers == list(range(stretch.first, stretch.first + stretch.frames))
    assert numbers[0] >= 0
    assert numbers[-1] < frames


@given(films, st.integers(1, 80))
def test_all_whole_groups_within_the_piece_are_copied(
    pictures: list[StoredFrame], frames: int
) -> None:
    keys = [place for place, picture in enumerate(pictures) if picture.is_key]
    whole = [
        end - begin
        for begin, end in pairwise([*keys, len(pictures)])
        if pictures[begin].number >= 0 and pictures[begin].number + end - begin <= frames
    ]
    stretch = find_copy_range(pictures, frames)
    assert (stretch.frames if stretch else 0) == sum(whole)


def test_a_group_that_shows_what_comes_before_its_key_frame_is_left() -> None:
    pictures = store([10, 10, 10, 10], is_open=True)
    assert find_copy_range(pictures, 40) == CopyRange(0, 10, 0)
    assert find_copy_range(pictures[10:], 40) is None


def test_around_a_broken_group_the_longer_side_is_copied() -> None:
    good = store([10])
    broken = [p for p in store([10], first=10) if p.number != 15]
    longer = store([10, 10], first=20)
    stretch = find_copy_range([*good, *broken, *longer], 40)
    assert stretch is not None
    assert (stretch.first, stretch.frames) == (20, 20)


@pytest.mark.parametrize("frames", [9, 5, 1])
def test_a_group_that_the_piece_does_not_hold_is_left(frames: int) -> None:
    assert find_copy_range(store([10]), frames) is None


def test_nothing_is_copied_of_a_film_that_changes_its_settings() -> None:
    pictures = store([10, 10, 10])
    pictures[10] = replace(pictures[10], is_plain=False)
    assert find_copy_range(pictures, 30) is None


def test_of_nothing_nothing_is_copied() -> None:
    assert find_copy_range([], 10) is None
