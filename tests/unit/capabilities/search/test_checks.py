"""Whether passages support statements."""

from __future__ import annotations

import pytest

from cinemill.capabilities.search.answers.checks import (
    LONGEST_CLAIM,
    Checks,
    ClaimFault,
    find_fault,
    is_on_topic,
)
from cinemill.capabilities.search.answers.claims import Claim, read_claims
from cinemill.capabilities.search.query import parse_query

OPENED = "Alice Walker opened the rose garden in Oslo on the ninth of March."
SPENT = "Harbor Bank will spend twenty-five million euros on the wind farm."
REFUSED = "The council did not approve the flood barrier, but it approved the night train."


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Alice Walker opened the rose garden.", OPENED),
        ("The rose garden in Oslo was opened by Alice Walker on March 9.", OPENED),
        ("The speaker says that Alice Walker opened the rose garden on 9th March.", OPENED),
        ("Harbor Bank will spend 25 million euros on the wind farm.", SPENT),
        ("Harbor Bank will spend 25,000,000 euros.", SPENT),
        ("The council did not approve the flood barrier.", REFUSED),
        ("The council approved the night train.", REFUSED),
    ],
)
def test_statement_of_the_passage_is_supported(claim: str, passage: str) -> None:
    assert find_fault(claim, [passage], Checks()) is None


@pytest.mark.parametrize(
    ("claim", "passage", "fault"),
    [
        ("Alice Walker opened the rose garden on the tenth of March.", OPENED, ClaimFault.NUMBER),
        ("Harbor Bank will spend 25 billion euros.", SPENT, ClaimFault.NUMBER),
        ("Harbor Bank will spend 2.5 million euros.", SPENT, ClaimFault.NUMBER),
        ("Bob Walker opened the rose garden.", OPENED, ClaimFault.NAME),
        ("Alice Walker opened the rose garden in Bergen.", OPENED, ClaimFault.NAME),
        ("Alice Walker opened the rose garden in April.", OPENED, ClaimFault.NAME),
        ("bob opened the rose garden.", OPENED, ClaimFault.WORDS),
        ("Alice Walker demolished the rose garden.", OPENED, ClaimFault.WORDS),
        ("Alice Walker closed the rose garden.", OPENED, ClaimFault.WORDS),
        ("Alice Walker did not open the rose garden.", OPENED, ClaimFault.NEGATION),
        (
            "The council approved the flood barrier.",
            "The council did not approve the flood barrier.",
            ClaimFault.NEGATION,
        ),
        ("You have been.", OPENED, ClaimFault.EMPTY),
        ("", OPENED, ClaimFault.EMPTY),
        ("The rose garden at rose.com", OPENED, ClaimFault.LINK),
        ("The rose garden. " * LONGEST_CLAIM, OPENED, ClaimFault.TOO_LONG),
    ],
)
def test_statement_that_says_something_else_is_not(
    claim: str, passage: str, fault: ClaimFault
) -> None:
    assert find_fault(claim, [passage], Checks()) is fault


def test_statement_without_evidence_is_not_supported() -> None:
    assert find_fault("Alice Walker opened it.", [], Checks()) is ClaimFault.NO_EVIDENCE


def test_passages_support_a_statement_together() -> None:
    claim = "Alice Walker opened the rose garden and Harbor Bank will spend 25 million euros."
    assert find_fault(claim, [OPENED], Checks()) is ClaimFault.NUMBER
    assert find_fault(claim, [OPENED, SPENT], Checks()) is None


def test_word_of_the_same_meaning_counts_where_words_can_be_compared() -> None:
    claim = "Alice Walker inaugurated the rose garden in Oslo."
    near = Checks(compare_words=lambda word, words: 0.85 if "opened" in words else 0.1)
    far = Checks(compare_words=lambda word, words: 0.7)
    assert find_fault(claim, [OPENED], Checks()) is ClaimFault.WORDS
    assert find_fault(claim, [OPENED], near) is None
    assert find_fault(claim, [OPENED], far) is ClaimFault.WORDS
    # Half of the words must be there as they are, however near the others are.
    assert find_fault("Alice Walker inaugurated some park ceremonially yesterday.", [OPENED], near)


def test_statement_must_be_entailed_where_that_can_be_asked() -> None:
    asked: list[tuple[str, str]] = []

    def entails(passage: str, claim: str) -> float:
        asked.append((passage, claim))
        return 0.2

    claim = "Alice Walker opened the rose garden."
    assert find_fault(claim, [OPENED], Checks(entails=entails)) is ClaimFault.ENTAILMENT
    assert asked == [(OPENED, claim)]


def test_statement_must_be_about_the_question() -> None:
    query = parse_query("Who opened the rose garden?")
    assert is_on_topic("Alice Walker opened it.", query, None)
    assert not is_on_topic("Harbor Bank will spend 25 million euros.", query, None)
    assert is_on_topic("Alice inaugurated it.", query, lambda word, words: 0.9)
    assert is_on_topic("Harbor Bank will spend 25 million.", parse_query("What happens?"), None)


WHOLE = '{"claims": [{"text": "a", "evidence": ["x"]}, {"text": "b", "evidence": ["y", "y"]}]}'
EXPECTED = [Claim("a", ("x",)), Claim("b", ("y",))]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("form", ["{}", "Here:\n```json\n{}\n```\nDone.", "  {}"])
def test_claims_are_read_whatever_the_pieces(size: int, form: str) -> None:
    reply = form.replace("{}", WHOLE)
    pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
    assert list(read_claims(pieces)) == EXPECTED


def test_claim_is_read_before_the_reply_ends() -> None:
    read: list[str] = []

    def stream() -> object:
        for piece in (WHOLE[:45], WHOLE[45:]):
            read.append(piece)
            yield piece

    claims = read_claims(stream())  # type: ignore[arg-type]
    assert next(claims) == EXPECTED[0]
    assert len(read) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "no JSON at all",
        '{"claims": []}',
        '{"claims": "none"}',
        '{"claims": [1, 2]}',
        '{"claims": [{"text": 1, "evidence": ["x"]}]}',
        '{"claims": [{"text": "a"}]}',
        '{"claims": [{"text": "a", "evidence": "x"}]}',
        '{"claims": [{"text": "a", "evidence": [1]}]}',
        '{"claims": [{"text": "a", "evidence": ["x"]',
        '{"claims": [' + '{"a":' * 100_000,
        '{"claims": [{"text": "a", "evidence": [' + '"x",' * 50 + '"x"]}]}',
    ],
)
def test_reply_of_another_form_has_no_claims(reply: str) -> None:
    assert list(read_claims([reply])) == []


@pytest.mark.parametrize(
    "other",
    ['"x"', '"}]"', "7", "-1.5e3", "null", "true", "[]", '[{"text": "b"}, 2]', "{}", '"x", 7, []'],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_member_of_another_form_is_passed_over(other: str, size: int) -> None:
    claim = '{"text": "a", "evidence": ["x"]}'
    for members in ([other, claim], [claim, other], [other, claim, other, claim]):
        reply = f'{{"claims": [{", ".join(members)}]}}'
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        expected = [Claim("a", ("x",))] * members.count(claim)
        assert list(read_claims(pieces)) == expected


@pytest.mark.parametrize("other", ["x", "'x'", '"x', "[", "{"])
def test_list_that_is_no_json_ends_where_it_breaks(other: str) -> None:
    claim = '{"text": "a", "evidence": ["x"]}'
    reply = f'{{"claims": [{claim}, {other}, {claim}]}}'
    assert list(read_claims([reply])) == [Claim("a", ("x",))]


def test_endless_reply_is_not_read() -> None:
    def stream() -> object:
        while True:
            yield "x" * 1000

    assert list(read_claims(stream())) == []  # type: ignore[arg-type]


def test_list_that_breaks_off_gives_what_was_complete() -> None:
    assert list(read_claims([WHOLE[:-20]])) == EXPECTED[:1]
