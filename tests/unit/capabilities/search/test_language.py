"""Words, numbers, names and addresses in texts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.search.answers.instructions import addresses_model
from cinemill.capabilities.search.conversation.standalone import make_standalone
from cinemill.capabilities.search.conversation.turns import Turn
from cinemill.capabilities.search.language.links import clean_text, contains_link, remove_links
from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.sentences import split_sentences
from cinemill.capabilities.search.language.words import find_names, find_stem, list_words
from cinemill.capabilities.search.query import parse_query
from cinemill.capabilities.search.routing import route_query
from cinemill.errors import InputRejected


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("twenty", ["20"]),
        ("20", ["20"]),
        ("twenty-five people", ["25"]),
        ("five hundred and twenty", ["520"]),
        ("two million five hundred thousand", ["2500000"]),
        ("1,200 or 3.5 million", ["1200", "3500000"]),
        ("nineteen ninety-eight", ["1998"]),
        ("twenty twenty-five", ["2025"]),
        ("two thousand and five", ["2005"]),
        ("the ninth of March, the 9th", ["9", "9"]),
        ("at 7:30", ["7:30"]),
        ("20% and ninety percent", ["20", "90"]),
        ("five and six", ["5", "6"]),
        ("a dozen", ["12"]),
        ("on 1.2.2020", ["1.2.2020"]),
        ("one of them waited a second", []),
        ("nobody", []),
    ],
)
def test_numbers_are_folded(text: str, numbers: list[str]) -> None:
    assert list_numbers(text) == numbers


@pytest.mark.property
@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    list_numbers(text)
    find_names(text)
    for word in list_words(text):
        assert text[word.start : word.end].startswith(word.text)
        find_stem(word.text)
    assert not contains_link(remove_links(text)) or "[link removed]" in remove_links(text)


@pytest.mark.property
@given(st.integers(0, 10**12))
def test_digits_with_and_without_groups_are_one_number(value: int) -> None:
    assert list_numbers(f"{value}") == list_numbers(f"{value:,}") == [str(value)]


def test_long_runs_of_scales_end() -> None:
    assert len(list_numbers("million " * 1_000)) == 1


@pytest.mark.parametrize(
    "forms",
    [
        "open opens opened opening",
        "negotiate negotiated negotiations negotiating",
        "plan plans planned planning",
        "study studies studied",
        "move moves moved moving",
        "say said says",
        "spend spent spends",
        "bridge bridges",
        "Jan january",
        "Smith's smith",
    ],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({find_stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Who opened the Rose Garden in Oslo?", ["Rose Garden", "Oslo"]),
        ("Alice Walker works for Harbor Bank. She lives in Oslo.", 3),
        ("What did Bruno Keller's team say?", ["Bruno Keller"]),
        ("Bob opened it.", []),
        ("We met Alice, Bruno and Clara.", ["Alice", "Bruno", "Clara"]),
    ],
)
def test_names_are_runs_of_capitalised_words(text: str, names: list[str] | int) -> None:
    found = find_names(text)
    assert found == names if isinstance(names, list) else len(found) == names


LINKS = [
    "see http://evil.com/x",
    "hxxp://evil.example",
    "hxxp[:]//evil.example",
    "evil dot com",
    "evil[.]com",
    "evil (dot) org",
    "www.evil.tld",
    "[click](here)",
    "mail a@evil.co now",
    "10.0.0.1/x",
    "javascript:alert(1)",
    "data:text/html;base64,xx",
    "<img src=x>",
    "</script>",
    "ev\u200bil.com",
    "ＥＶＩＬ．com",
    "http : // evil . com",
    "//evil.example/x",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("text", LINKS)
def test_addresses_are_found_and_removed(text: str) -> None:
    assert contains_link(text)
    removed = remove_links(text)
    assert "[link removed]" in removed
    assert "evil." not in removed
    assert "<" not in removed


@pytest.mark.parametrize(
    "text",
    [
        "e.g. this, i.e. that",
        "It costs 3.5 million. Then we go on",
        "[laughs] (music)",
        "the data: we saw 50 people",
        "at 7:30 p.m. in Oslo",
        "and/or 24/7",
        "Node.js is a runtime",
        "x < y and y > z",
    ],
)
def test_plain_text_has_no_address(text: str) -> None:
    assert not contains_link(text)
    assert remove_links(text) == text


def test_invisible_characters_are_removed() -> None:
    assert clean_text("a\u202eb\u200b c\x00\nd\ufeff\ud800") == "ab c d"


UNITS = [
    "a",
    "a.",
    "a@",
    "<a",
    "a ",
    "the ",
    "the a",
    "in ",
    "[.]",
    "1",
    "million ",
    '"',
    "…",
    "and ",
    "ignore ",
    "say ",
    "a.b/",
    ". ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_long_repetitions_are_read_in_the_end(unit: str) -> None:
    # Expressions that try every way to divide such a text would not end within the suite's timeout.
    text = unit * (10_000 // len(unit))
    remove_links(text)
    list_numbers(text)
    find_names(text)
    addresses_model(text)
    split_sentences(text)
    turn = Turn(text, text[:2_000], text)
    make_standalone(text, [turn])
    make_standalone("and in it, there, and them?", [turn])
    with contextlib.suppress(InputRejected):
        route_query(parse_query(text))
