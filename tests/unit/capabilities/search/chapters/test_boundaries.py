"""A chapter begins in a deep valley of similarity, and is long enough."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.subjects import CHANGE_MS, TALK

from cinemill.capabilities.search.chapters.boundaries import (
    LEAST_CHAPTER_MS,
    MOST_CHAPTERS,
    WINDOW,
    find_boundaries,
)
from cinemill.capabilities.search.chapters.terms import compare_windows, list_terms


def make_starts(count: int, step_ms: int = 10_000) -> list[int]:
    return [at * step_ms for at in range(count)]


def divide(similarities: list[float], step_ms: int = 10_000) -> list[int]:
    count = len(similarities) + 1
    return find_boundaries(similarities, make_starts(count, step_ms), count * step_ms)


def test_valley_begins_a_chapter() -> None:
    assert divide([0.8] * 7 + [0.2] + [0.8] * 7) == [8]


def test_shallow_valleys_begin_none() -> None:
    assert divide([0.8, 0.7] * 8) == []
    assert divide([0.5] * 15) == []


def test_depth_is_measured_from_the_peaks_on_both_sides() -> None:
    """From a slope of 0.1 a step, the valley is 0.3 deep on each side."""
    assert divide([0.8] * 5 + [0.7, 0.6, 0.5, 0.6, 0.7] + [0.8] * 5) == [8]
    assert divide([0.8] * 5 + [0.75, 0.7, 0.67, 0.7, 0.75] + [0.8] * 5) == []


def test_of_two_valleys_that_are_near_the_deeper_one_is_taken() -> None:
    similarities = [0.9] * 20
    similarities[8], similarities[11] = 0.3, 0.1
    assert divide(similarities) == [12]


def test_chapter_is_not_too_short_at_the_ends() -> None:
    similarities = [0.9] * 20
    similarities[1] = similarities[18] = 0.1
    assert divide(similarities) == []


def test_shallow_valleys_do_not_count_next_to_deep_ones() -> None:
    similarities = [0.9] * 40
    similarities[10] = similarities[20] = 0.1
    similarities[30] = 0.55
    assert divide(similarities) == [11, 21]


def test_there_are_no_more_than_a_hundred() -> None:
    found = divide([0.9, 0.1] * 500, step_ms=LEAST_CHAPTER_MS)
    assert len(found) == MOST_CHAPTERS - 1


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare_is_not_divided(count: int) -> None:
    assert find_boundaries([], make_starts(count), 10_000) == []


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="each gap"):
        find_boundaries([0.5], [0], 10_000)


@pytest.mark.property
@given(st.lists(st.floats(-1, 1), max_size=60), st.integers(1, 30))
def test_chapters_are_in_order_and_long_enough(similarities: list[float], seconds: int) -> None:
    step_ms = 1000 * seconds
    found = divide(similarities, step_ms)
    times = [0, *(step_ms * at for at in found), step_ms * (len(similarities) + 1)]
    assert len(found) < MOST_CHAPTERS
    for before, after in pairwise(times if found else []):
        assert after - before >= LEAST_CHAPTER_MS


def test_words_alone_divide_a_talk_of_two_subjects() -> None:
    similarities = compare_windows([list_terms(one) for one in TALK], window=WINDOW)
    starts = make_starts(len(TALK))
    found = find_boundaries(similarities, starts, 10_000 * len(TALK))
    assert [starts[at] for at in found] == [CHANGE_MS]
