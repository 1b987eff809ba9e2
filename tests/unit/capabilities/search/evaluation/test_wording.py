"""Names and numbers of claims and answers, however they are written."""

from __future__ import annotations

import pytest

from cinemill.capabilities.search.evaluation.metrics.wording import (
    contains_answer,
    fold_words,
    is_supported,
    list_facts,
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Forty-seven people", ["47", "people"]),
        ("forty seven", ["47"]),
        ("47", ["47"]),
        ("1,200 visitors", ["1200", "visitors"]),
        ("two hundred and fifty", ["250"]),
        ("three thousand two hundred five", ["3205"]),
        ("nine ten eleven", ["9", "10", "11"]),
        ("the twelfth of July", ["the", "12", "of", "july"]),
        ("the 12th", ["the", "12"]),
        ("on the twentieth", ["on", "the", "20"]),
        ("salt and sand", ["salt", "and", "sand"]),
        ("Alice Walker's bridge", ["alice", "walker", "bridge"]),
        ("3.5 percent", ["3.5", "percent"]),
        ("no words?!", ["no", "words"]),
        ("", []),
    ],
)
def test_words_are_folded(text: str, folded: list[str]) -> None:
    assert fold_words(text) == folded


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("She works for Harbor Bank.", "Harbor Bank", True),
        ("She works for the bank at the harbor.", "Harbor Bank", False),
        ("It costs seventy-nine euros.", "79", True),
        ("It costs 791 euros.", "79", False),
        ("On the third of May.", "third", True),
        ("Because of a gas leak.", "a gas leak", True),
        ("Anything.", "", False),
    ],
)
def test_answer_is_found_as_whole_words(text: str, answer: str, found: bool) -> None:
    assert contains_answer(text, answer) is found


def test_facts_of_a_claim_are_its_names_and_numbers() -> None:
    claim = "According to Alice Walker, the ferry costs forty million. It opened in Oslo on May 3."
    assert list_facts(claim) == ["alice", "walker", "40", "oslo", "may", "3"]


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("Alice Walker opened the silver bridge in Oslo.", True),
        ("The bridge was opened on the 3rd.", True),
        ("Alice Bennett opened it.", False),
        ("It was opened on the fourth.", False),
        ("Kyoto has a bridge.", False),
        ("Nobody knows.", False),  # in doubt, the first word is a name
    ],
)
def test_claim_is_supported_by_its_names_and_numbers(claim: str, supported: bool) -> None:
    source = "Alice Walker opened the silver bridge in Oslo on the third of March."
    assert is_supported(claim, source) is supported
