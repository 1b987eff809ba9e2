"""Words that say something, and how alike the passages on both sides of a gap are by them."""

from __future__ import annotations

import pytest

from cinemill.capabilities.search.chapters.terms import compare_windows, list_terms


def test_words_that_say_nothing_are_left_out() -> None:
    terms = list_terms("The 200 roses of Oslo are in it, and 3 of them climb.")
    assert [term.text for term in terms] == ["roses", "Oslo", "climb"]


def test_forms_of_a_word_have_one_stem() -> None:
    one, other = list_terms("Negotiation? No: negotiations.")
    assert one.stem == other.stem
    assert (one.begins_sentence, other.begins_sentence) == (True, True)


def test_gap_is_compared_with_so_many_passages_on_each_side() -> None:
    passages = [list_terms(one) for one in ("roses", "roses", "money", "money")]
    assert compare_windows(passages, window=1) == [1.0, 0.0, 1.0]
    assert compare_windows(passages, window=2) == [
        pytest.approx(0.5**0.5),
        0.0,
        pytest.approx(0.5**0.5),
    ]


def test_passages_without_words_are_like_nothing() -> None:
    assert compare_windows([list_terms("of the"), list_terms("roses")], window=6) == [0.0]
    assert compare_windows([], window=6) == []
