"""Captions that can be read: every word once and in order, nothing overlaps, lines break well."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.text.segmentation import (
    CHARACTERS_PER_SECOND,
    LINE_COLUMNS,
    LINES,
    MOST_MS,
    break_lines,
    make_cues,
    measure_columns,
)
from cinemill.core.transcript import Utterance, Word, list_words

LETTERS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=60
)
TEXTS = st.builds(lambda space, text: f"{space}{text}", st.sampled_from(["", " "]), LETTERS)
# As a model gives them, and worse: words of no length, in each other's time, hours apart.
WORDS = st.lists(
    st.builds(
        lambda start_ms, length_ms, text: Word(start_ms, start_ms + length_ms, text, 0.5),
        st.integers(0, 50_000),
        st.integers(0, 5_000),
        TEXTS,
    ),
    max_size=40,
).map(lambda words: sorted(words, key=lambda word: word.start_ms))


def say(text: str, *, start_ms: int = 0, word_ms: int = 300) -> list[Word]:
    """These words, one after the other, each as long."""
    return [
        Word(start_ms + word_ms * n, start_ms + word_ms * (n + 1), f" {word}", 0.9)
        for n, word in enumerate(text.split())
    ]


@given(WORDS)
def test_no_cue_overlaps_another_and_each_lasts(words: list[Word]) -> None:
    cues = make_cues(words)
    assert all(0 <= cue.start_ms < cue.end_ms for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))


@given(st.lists(st.builds(Word, st.integers(-9, 9), st.integers(-9, 9), TEXTS, st.just(1.0))))
def test_times_in_disorder_make_cues_in_order_all_the_same(words: list[Word]) -> None:
    cues = make_cues(words)
    assert all(0 <= cue.start_ms < cue.end_ms for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))


@given(WORDS)
def test_every_word_is_kept_once_and_in_order(words: list[Word]) -> None:
    cues = make_cues(words)
    assert [word.text for cue in cues for word in cue.words] == [word.text for word in words]
    shown = "".join("".join(cue.lines) for cue in cues).replace(" ", "")
    assert shown == "".join(word.text for word in words).replace(" ", "")


@given(WORDS)
def test_cue_has_at_most_two_lines_that_fit(words: list[Word]) -> None:
    for cue in make_cues(words):
        assert 1 <= len(cue.lines) <= LINES
        too_wide = [line for line in cue.lines if measure_columns(line) > LINE_COLUMNS]
        assert not too_wide or len(cue.words) == 1


@given(WORDS)
def test_no_cue_stays_longer_than_it_may(words: list[Word]) -> None:
    assert all(cue.end_ms - cue.start_ms <= MOST_MS for cue in make_cues(words))


def test_two_short_sentences_are_two_lines() -> None:
    cues = make_cues(say("It was the best of times. It was the worst of times."))
    assert [cue.lines for cue in cues] == [
        ("It was the best of times.", "It was the worst of times."),
    ]


def test_cue_ends_with_a_sentence_where_it_can() -> None:
    text = "He had never been so far from home. Now he was glad of it. So was she, and so were we."
    cues = make_cues(say(text))
    assert [cue.lines[-1][-1] for cue in cues] == [".", "."]


def test_long_sentence_is_broken_at_a_clause() -> None:
    text = "When we came to the river at last, the boat that should have waited for us was gone, "
    text += "and nobody could say where it went."
    cues = make_cues(say(text))
    assert [cue.lines[-1][-1] for cue in cues] == [",", ",", "."]


def test_pause_ends_a_cue_though_the_sentence_goes_on() -> None:
    cues = make_cues([*say("I wonder"), *say("what it is.", start_ms=5000)])
    assert [cue.lines for cue in cues] == [("I wonder",), ("what it is.",)]


def test_short_word_stays_until_it_can_be_read() -> None:
    (cue,) = make_cues([Word(1000, 1100, " No.", 0.9)])
    assert (cue.start_ms, cue.end_ms) == (1000, 2000)


def test_ordinary_speech_is_slow_enough_to_read() -> None:
    text = "Today, after two years of negotiations, the United States together with our partners "
    text += "has achieved something that decades of animosity has not."
    for cue in make_cues(say(text, word_ms=400)):
        seconds = (cue.end_ms - cue.start_ms) / 1000
        assert sum(map(len, cue.lines)) / seconds <= CHARACTERS_PER_SECOND + 1


def test_two_lines_are_broken_at_punctuation_where_that_is_nearly_even() -> None:
    words = say("They looked at the old house, and then they went away.")
    assert break_lines(words) == ("They looked at the old house,", "and then they went away.")


def test_east_asian_characters_take_two_columns_and_no_spaces() -> None:
    words = [Word(100 * n, 100 * (n + 1), char, 0.9) for n, char in enumerate("春" * 30)]
    (cue,) = make_cues(words)
    assert "".join(cue.lines) == "春" * 30
    assert all(measure_columns(line) <= LINE_COLUMNS for line in cue.lines)


def test_utterance_without_times_of_words_shares_its_own_among_them() -> None:
    words = list_words([Utterance(1000, 2000, "one three")])
    assert [(word.start_ms, word.end_ms, word.text) for word in words] == [
        (1000, 1400, " one"),
        (1400, 2000, " three"),
    ]


def test_nothing_said_is_no_cue() -> None:
    assert make_cues([]) == ()
    assert make_cues([Word(0, 100, "  ", 0.9)]) == ()
