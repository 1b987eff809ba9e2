"""Follow-up questions, with and without a language model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.search.conversation.rewriting import rewrite_with_model
from cinemill.capabilities.search.conversation.standalone import make_standalone
from cinemill.capabilities.search.conversation.turns import (
    LONGEST_STANDALONE,
    Turn,
    TurnEntity,
)
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.inference.language_models.errors import LanguageModelUnavailable
from cinemill.inference.language_models.protocol import Completion, Prompt

GARDEN = Turn(
    "Who opened the rose garden?",
    "Who opened the rose garden?",
    "Alice Walker opened the rose garden in Oslo.",
    (TurnEntity("Alice Walker", EntityKind.PERSON), TurnEntity("Oslo", EntityKind.PLACE)),
)
BANK = Turn(
    "How much will Harbor Bank spend on the wind farm?",
    "How much will Harbor Bank spend on the wind farm?",
    "Harbor Bank will spend 25 million euros on the wind farm.",
    (TurnEntity("Harbor Bank", EntityKind.ORGANIZATION),),
)
PARKER = Turn(
    "Where does Grace Parker live?", "Where does Grace Parker live?", "She lives in Kyoto."
)


@pytest.mark.parametrize(
    ("turn", "question", "standalone"),
    [
        (GARDEN, "Where does she work?", "Where does Alice Walker work?"),
        (GARDEN, "What is her job?", "What is Alice Walker's job?"),
        (
            GARDEN,
            "Did she say what her plans are?",
            "Did Alice Walker say what Alice Walker's plans are?",
        ),
        (GARDEN, "Who else lives there?", "Who else lives in Oslo?"),
        (GARDEN, "Who paid for it?", "Who paid for the rose garden?"),
        (GARDEN, "Is that in Norway?", "Is the rose garden in Norway?"),
        (GARDEN, "When?", "When opened the rose garden?"),
        (GARDEN, "And why?", "why opened the rose garden?"),
        (GARDEN, "In which city?", "In which city opened the rose garden?"),
        (GARDEN, "And in Bergen?", "Who opened the rose garden in Bergen?"),
        (GARDEN, "Tell me more.", "Who opened the rose garden?"),
        (GARDEN, "What about the wind farm?", "Who opened the wind farm?"),
        (
            BANK,
            "What about Green Valley Council?",
            "How much will Green Valley Council spend on the wind farm?",
        ),
        (
            BANK,
            "And Green Valley Council?",
            "How much will Green Valley Council spend on the wind farm?",
        ),
        (BANK, "And on the solar ferry?", "How much will Harbor Bank spend on the solar ferry?"),
        (BANK, "And when will it be ready?", "when will the wind farm be ready?"),
        (BANK, "Why does it spend so much?", "Why does Harbor Bank spend so much?"),
        (BANK, "How many people work there?", "How many people work in Harbor Bank?"),
        (PARKER, "And Thomas Rossi?", "Where does Thomas Rossi live?"),
        (PARKER, "Why did she move there?", "Why did Grace Parker move in Kyoto?"),
        (PARKER, "How old is she?", "How old is Grace Parker?"),
        (PARKER, "Since when?", "Since when does Grace Parker live?"),
        (PARKER, "With whom?", "With whom does Grace Parker live?"),
        (PARKER, "For how long?", "For how long does Grace Parker live?"),
        (PARKER, "In May?", "Where does Grace Parker live In May?"),
        (
            PARKER,
            "And for the next two years?",
            "Where does Grace Parker live for the next two years?",
        ),
        (PARKER, "Before the war?", "Where does Grace Parker live Before the war?"),
        (
            PARKER,
            "After she was elected?",
            "Where does Grace Parker live After Grace Parker was elected?",
        ),
        (GARDEN, "And in Bergen, who pays for it?", "in Bergen, who pays for the rose garden?"),
    ],
)
def test_follow_up_becomes_a_question_of_its_own(
    turn: Turn, question: str, standalone: str
) -> None:
    found = make_standalone(question, [turn])
    assert found.is_follow_up
    assert found.text == standalone


@pytest.mark.parametrize(
    "question",
    [
        "Who opened the copper mine?",
        "Where does Bruno Keller work?",
        "Is there a meeting in Vienna?",
        "What did Alice Walker say about her work?",
        "Where do they talk about the negotiations?",
        "Which museum is in this video?",
        "For how many years did the negotiations last?",
        "After the war, who rebuilt the bridge?",
        "After the war who rebuilt the bridge?",
        "In Bergen, how much does the ferry cost?",
        "By when must Thomas Rossi pay?",
        "In Bergen is there a ferry?",
        "During the storm, what happened to the harbor?",
        "At the meeting in Vienna, did Bruno Keller speak?",
        "For the new bridge, how many workers are needed?",
        "With whose money was the mine bought?",
        "From where do the turbines come?",
        "Before the vote, why did the mayor resign?",
        "On Friday, will the harbor be closed?",
        "To whom was the letter sent?",
        "By how much may the rent rise?",
        "In May, can visitors see the roses?",
        "In Bergen, tell me about the ferry.",
        "For the board, please list the speakers.",
        "Before the strike the mine was sold",
    ],
)
def test_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    limited = replace(BANK, filters=SearchFilters(asset_ids=("bank",)))
    found = make_standalone(question, [GARDEN, limited])
    assert found.text == question
    assert not found.is_follow_up
    assert found.carried == ()
    assert found.filters == SearchFilters()


def test_nearest_turn_that_fits_is_meant() -> None:
    assert make_standalone("Where does she work?", [GARDEN, BANK]).carried == ("Alice Walker",)
    assert make_standalone("When will it start?", [GARDEN, BANK]).carried == ("the wind farm",)


def test_name_that_the_question_has_is_not_meant_by_its_pronoun() -> None:
    found = make_standalone("Did she meet Alice Walker?", [PARKER, GARDEN])
    assert found.text == "Did Grace Parker meet Alice Walker?"


def test_first_question_is_left_as_it_is() -> None:
    assert make_standalone("Where does she work?", []).text == "Where does she work?"


def test_filters_hold_on_for_a_follow_up_only() -> None:
    filters = SearchFilters(asset_ids=("a",), languages=("en",))
    turn = Turn(GARDEN.question, GARDEN.standalone, GARDEN.answer, GARDEN.entities, filters)
    assert make_standalone("Where does she work?", [turn]).filters == filters
    own = SearchFilters(asset_ids=("b",))
    mixed = make_standalone("Where does she work?", [turn], filters=own).filters
    assert mixed == SearchFilters(asset_ids=("b",), languages=("en",))
    assert make_standalone("Who owns the mine?", [turn]).filters == SearchFilters()


@pytest.mark.property
@given(st.text(max_size=300), st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80))))
def test_any_conversation_can_be_read(question: str, turns: list[tuple[str, str]]) -> None:
    history = [Turn(asked, asked, answer) for asked, answer in turns]
    found = make_standalone(question, history)
    assert not found.is_follow_up or len(found.text) <= LONGEST_STANDALONE


class Rewriter:
    """A model with one reply."""

    model_id = "rewriter"

    def __init__(self, reply: str | Exception) -> None:
        self._reply = reply
        self.prompts: list[Prompt] = []

    def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        if isinstance(self._reply, Exception):
            raise self._reply
        return Completion(self._reply, self.model_id)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        yield self.complete(prompt).text


def rewrite(reply: str | Exception, question: str = "Where does she work?") -> str:
    return rewrite_with_model(question, [GARDEN], Rewriter(reply)).text


def test_model_rewrites_a_follow_up() -> None:
    written = "In which company does Alice Walker work?"
    assert rewrite(f"Sure: {json.dumps({'question': written})}") == written


@pytest.mark.parametrize(
    "reply",
    [
        LanguageModelUnavailable("gone"),
        "",
        "no JSON",
        '{"question": 1}',
        "[" * 100_000,
        json.dumps({"question": "Where does Mallory Evans work?"}),
        json.dumps({"question": "Where did Alice Walker work in 1999?"}),
        json.dumps({"question": "Where does Alice Walker work, see www.evil.com?"}),
        json.dumps({"question": "Where " * 200}),
    ],
)
def test_what_a_model_adds_is_not_used(reply: str | Exception) -> None:
    assert rewrite(reply) == "Where does Alice Walker work?"


def test_model_is_not_asked_about_a_question_that_stands_alone() -> None:
    model = Rewriter("{}")
    rewrite_with_model("Who opened the copper mine?", [GARDEN], model)
    assert model.prompts == []
