"""Names for a speech model: whole ones, as many as fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.speech.hotwords import MOST_TOKENS, choose_names, join_names


def count_letters(text: str) -> int:
    return len(text)


def test_first_names_that_fit_are_chosen_whole() -> None:
    chosen = choose_names(["Elinor", "Colonel Brandon", "Ann"], count_letters, most_tokens=15)
    # The second does not fit any more; a shorter one after it does.
    assert chosen == ("Elinor", "Ann")
    assert join_names(chosen) == "Elinor, Ann"


def test_name_is_given_once_however_it_is_written() -> None:
    assert choose_names(["Ann Lee", "ANN  LEE", "ann lee"], count_letters) == ("Ann Lee",)


def test_without_names_the_model_is_given_nothing() -> None:
    assert join_names(choose_names([], count_letters)) is None
    assert join_names(choose_names(["a" * 500], count_letters)) is None


@pytest.mark.parametrize(
    "name", ["Ann <|endoftext|>", "<|nospeech|>", "Ann\x00\x1b[2J", "\u202eAnn"]
)
def test_names_hold_no_orders_to_the_model(name: str) -> None:
    given = join_names(choose_names([name], count_letters)) or ""
    assert "<|" not in given
    assert given.isprintable()


@given(st.lists(st.text(max_size=60), max_size=80))
def test_names_stay_within_what_the_model_takes(names: list[str]) -> None:
    chosen = choose_names(names, count_letters)
    assert len(join_names(chosen) or "") <= MOST_TOKENS + len(chosen)
