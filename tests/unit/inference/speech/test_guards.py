"""Hallucinated words: loops are cut, and ordinary repetitions stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.transcript import Utterance, Word
from cinemill.inference.speech.guards import (
    MAX_REPEATS,
    cut_repetition_loops,
    drop_repeated_phrases,
)


def utter(text: str, start_ms: int = 0) -> Utterance:
    words = tuple(
        Word(start_ms + 100 * n, start_ms + 100 * (n + 1), f" {word}", 0.9)
        for n, word in enumerate(text.split())
    )
    return Utterance(start_ms, start_ms + 100 * len(words), text, words)


def test_repetition_loop_is_reduced_to_one_phrase() -> None:
    looped = utter("and then " + "thank you very much. " * 12 + "goodbye")
    cut = cut_repetition_loops(looped)
    assert cut.text == "and then thank you very much. goodbye"
    assert cut.end_ms == looped.end_ms


def test_repeated_utterance_is_kept_three_times() -> None:
    said = [utter("Thanks for watching!", 1000 * n) for n in range(9)]
    assert drop_repeated_phrases(said) == tuple(said[:MAX_REPEATS])


def test_word_said_three_times_is_kept() -> None:
    said = utter("No, no, no. I said no.")
    assert drop_repeated_phrases([said]) == (said,)


def test_utterance_repeated_later_is_kept() -> None:
    said = [utter(text) for text in ("Yes.", "No.", "Yes.", "No.", "Yes.", "No.", "Yes.", "No.")]
    assert drop_repeated_phrases(said) == tuple(said)


def test_utterance_of_punctuation_alone_is_dropped() -> None:
    assert drop_repeated_phrases([utter("...")]) == ()


@given(st.lists(st.sampled_from(["yes", "no", "perhaps"]), min_size=1, max_size=60))
def test_repetition_filter_only_removes_words(texts: list[str]) -> None:
    said = utter(" ".join(texts))
    left = cut_repetition_loops(said).words
    assert set(left) <= set(said.words)
    assert list(left) == sorted(left, key=lambda word: word.start_ms)
    assert left[0] == said.words[0]
