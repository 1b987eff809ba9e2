"""How words sound: what is misheard sounds alike, and other names do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.text.sounds import compare_sounds, spell_sounds

texts = st.text(max_size=60)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Redwood", "red wood"),
        ("Rossi", "Rossy"),
        ("insurance", "Insurants"),
        ("Horizon", "Verizon"),
        ("Pioneer", "I'm here"),
        ("Maria", "Mario"),
        ("Beacon Robotics", "the Bigcon row botics"),
    ],
)
def test_what_was_misheard_sounds_more_alike_than_another_name(said: str, heard: str) -> None:
    others = ["Falcon", "Lakeside", "Summit", "Thomas", "Chemicals", "underground"]
    assert compare_sounds(said, heard) > max(compare_sounds(said, one) for one in others)


def test_same_sounds_in_other_letters_are_the_same() -> None:
    assert compare_sounds("Knight", "night") == 1
    assert compare_sounds("Philip", "Filip") == 1
    assert compare_sounds("Redwood", "Red Wood") == 1


def test_consonants_of_one_kind_are_nearer_than_others() -> None:
    assert compare_sounds("bat", "bad") > compare_sounds("bat", "bass")
    assert compare_sounds("bat", "bet") == 1


@given(texts, texts)
def test_similarity_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    there, back = compare_sounds(one, other), compare_sounds(other, one)
    assert there == pytest.approx(back)
    assert 0 <= there <= 1


def test_only_the_first_letters_of_a_word_are_spelled() -> None:
    assert spell_sounds("b" + "x" * 39) == spell_sounds("b" + "x" * 35) == "b" + "ks" * 35


@given(texts)
def test_every_text_with_letters_sounds_like_itself(text: str) -> None:
    spelled = any(spell_sounds(word) for word in text.split())
    assert compare_sounds(text, text) == (1.0 if spelled else 0.0)
