"""Known names in text: whole words, the longest first, written as names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.knowledge.gazetteer import (
    LONGEST_NAME_CHARACTERS,
    MOST_NAMES,
    Gazetteer,
    KnownName,
)
from cinemill.core.knowledge.graph import EntityKind
from cinemill.errors import InputRejected, TooLarge

NAMES = [
    KnownName("New York", EntityKind.PLACE),
    KnownName("New York Times", EntityKind.ORGANIZATION),
    KnownName("May", EntityKind.PERSON),
    KnownName("Zoë O'Hara", EntityKind.PERSON),
    KnownName("flux capacitor", EntityKind.THING),
]


def find(text: str) -> list[tuple[str, str]]:
    found = Gazetteer(NAMES).find(text)
    return [(known.name, text[span.start : span.end]) for known, span in found]


def test_longest_name_is_found() -> None:
    assert find("The New York Times is read in New York.") == [
        ("New York Times", "New York Times"),
        ("New York", "New York"),
    ]


def test_name_is_found_as_whole_words_only() -> None:
    assert find("Mayor of Newer Yorkshire") == []


def test_possessive_is_no_part_of_a_name() -> None:
    assert find("New York's mayor knows Zoë O’Hara") == [("New York", "New York")]
    assert find("Zoë O'Hara's flux capacitor") == [
        ("Zoë O'Hara", "Zoë O'Hara"),
        ("flux capacitor", "flux capacitor"),
    ]


def test_name_with_a_capital_is_no_common_word() -> None:
    assert find("They may ask May.") == [("May", "May")]


def test_text_without_capitals_has_names_of_several_words_only() -> None:
    assert find("they may go to new york") == [("New York", "new york")]


def test_name_without_a_word_is_rejected() -> None:
    with pytest.raises(InputRejected) as empty:
        Gazetteer([KnownName(" -- ", EntityKind.PERSON)])
    assert empty.value.code == "name_invalid"
    with pytest.raises(InputRejected):
        Gazetteer([KnownName("a" * (LONGEST_NAME_CHARACTERS + 1), EntityKind.PERSON)])


def test_too_many_names_are_rejected() -> None:
    with pytest.raises(TooLarge) as many:
        Gazetteer(KnownName(f"Name {n}", EntityKind.PERSON) for n in range(MOST_NAMES + 1))
    assert many.value.code == "too_many_names"


@given(st.text(alphabet="New YorkTimesay'’.,- \n", max_size=80))
def test_found_names_are_in_order_and_do_not_overlap(text: str) -> None:
    spans = [span for _known, span in Gazetteer(NAMES).find(text)]
    ends = [0, *(span.end for span in spans)]
    assert all(end <= span.start < span.end for end, span in zip(ends, spans, strict=False))


def test_names_are_listed_once_and_in_order() -> None:
    ann, again, ben = (
        KnownName(name, kind)
        for name, kind in (
            ("Ann", EntityKind.PERSON),
            ("ANN", EntityKind.PLACE),
            ("Ben", EntityKind.PERSON),
        )
    )
    assert Gazetteer([ann, again, ben]).names == (ann, ben)
