"""Queries, their class, and where they go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.searching import MemoryVocabulary

from cinemill.capabilities.search.query import (
    LONGEST_QUERY,
    MOST_TERMS,
    QueryClass,
    parse_query,
)
from cinemill.capabilities.search.routing import (
    RetrieverWeights,
    Route,
    RouteOverrides,
    Rule,
    route_query,
)
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.errors import InputRejected

VOCABULARY = MemoryVocabulary(
    ["Alice Walker opened the rose garden in Oslo on the ninth of March."],
    {"alice walker": "e1", "oslo": "e2"},
)


@pytest.mark.parametrize(
    ("text", "query_class"),
    [
        ("Who opened the rose garden?", QueryClass.PERSON),
        ("For whom does Alice work?", QueryClass.PERSON),
        ("Which person inaugurated it?", QueryClass.PERSON),
        ("Where is the rose garden?", QueryClass.PLACE),
        ("In which city was it?", QueryClass.PLACE),
        ("When does the meeting start?", QueryClass.TIME),
        ("At what time is the gathering?", QueryClass.TIME),
        ("How much will they spend?", QueryClass.QUANTITY),
        ("What is the budget of the wind farm?", QueryClass.QUANTITY),
        ("Why did she leave?", QueryClass.REASON),
        ("What made her relocate?", QueryClass.REASON),
        ("How does it work?", QueryClass.MANNER),
        ("For how many years did it last?", QueryClass.QUANTITY),
        ("By when must they pay?", QueryClass.TIME),
        ("In which year was it opened?", QueryClass.THING),
        ("With which company did they sign?", QueryClass.THING),
        ("After the war, who rebuilt the bridge?", QueryClass.PERSON),
        ("In Bergen, how much does the ferry cost?", QueryClass.QUANTITY),
        ("On Friday, is the harbor closed?", QueryClass.YES_NO),
        ("In Oslo, on Friday", QueryClass.KEYWORDS),
        ("in the garden at night", QueryClass.KEYWORDS),
        ("What did Alice open?", QueryClass.THING),
        ("Did Alice open it?", QueryClass.YES_NO),
        ("And who paid?", QueryClass.PERSON),
        ("Can you tell me who paid?", QueryClass.PERSON),
        ("where do they talk about the negotiations?", QueryClass.KEYWORDS),
        ("rose garden oslo", QueryClass.KEYWORDS),
    ],
)
def test_question_is_classified_by_its_beginning(text: str, query_class: QueryClass) -> None:
    assert parse_query(text).query_class is query_class


def test_query_is_parsed() -> None:
    query = parse_query('When did Alice Walker say "two years" about the red bridge?')
    assert query.names == ("Alice Walker",)
    assert query.phrases == ("two years",)
    assert query.numbers == ("2",)
    assert query.colours == ("red",)
    assert "bridge" in query.predicates
    assert "alice" not in query.predicates


def test_names_in_lower_case_are_found_by_the_vocabulary() -> None:
    query = parse_query("where is alice walker", VOCABULARY)
    assert query.names == ("alice walker",)
    assert query.entity_ids == ("e1",)
    assert query.predicates == ()


def test_query_in_capitals_has_no_names_but_those_that_are_known() -> None:
    assert parse_query("WHO OPENED THE GARDEN").names == ()
    assert parse_query("WHO IS ALICE WALKER", VOCABULARY).names == ("ALICE WALKER",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "query_empty"),
        (" \n\t", "query_empty"),
        ("a\x00b", "query_invalid"),
        ("a\ud800b", "query_invalid"),
        ("x" * (LONGEST_QUERY + 1), "query_too_long"),
    ],
)
def test_unusable_query_is_rejected(text: str, code: str) -> None:
    with pytest.raises(InputRejected) as rejected:
        parse_query(text)
    assert rejected.value.code == code


@pytest.mark.parametrize("text", ["word " * 2_000, "x" * LONGEST_QUERY, '"' * LONGEST_QUERY])
def test_long_query_has_few_terms(text: str) -> None:
    query = parse_query(text[:LONGEST_QUERY], VOCABULARY)
    assert len(query.terms) <= MOST_TERMS


def test_query_of_many_words_says_that_it_was_cut() -> None:
    query = parse_query(" ".join(f"w{at}" for at in range(1_000)))
    assert len(query.terms) == MOST_TERMS
    assert query.is_cut


@pytest.mark.property
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1))
def test_any_text_is_parsed_and_routed(text: str) -> None:
    if text.strip():
        route_query(parse_query(text, VOCABULARY))


SHOWN = (PassageTrack.PICTURE, PassageTrack.TEXT, PassageTrack.DESCRIPTION)


def route_text(text: str) -> Route:
    return route_query(parse_query(text, VOCABULARY))


@pytest.mark.parametrize(
    ("text", "tracks", "rule"),
    [
        ("what is written on the sign", (PassageTrack.TEXT,), Rule.ON_SCREEN),
        ("Oslo on screen", (PassageTrack.TEXT,), Rule.ON_SCREEN),
        ("What does the poster say?", (PassageTrack.TEXT,), Rule.ON_SCREEN),
        ("a banner that reads welcome", (PassageTrack.TEXT,), Rule.ON_SCREEN),
        ("what did Alice Walker say?", (PassageTrack.SPEECH,), Rule.SAID),
        ("show a red dog", SHOWN, Rule.SEEN),
        ("show me a dog", SHOWN, Rule.SEEN),
        ("a picture of the harbor", SHOWN, Rule.SEEN),
        ("who opened the garden?", (), None),
        ("what do they say about the dog?", (PassageTrack.SPEECH,), Rule.SAID),
    ],
)
def test_query_prefers_the_tracks_that_it_asks_for(
    text: str, tracks: tuple[PassageTrack, ...], rule: Rule | None
) -> None:
    route = route_text(text)
    assert route.preferred == tracks
    assert route.tracks == ()
    assert rule is None or rule in route.rules


@pytest.mark.parametrize(
    "text",
    [
        "Who was the report written by?",
        "When was the constitution written?",
        "a well written novel",
        "sign the treaty",
        "sign language for beginners",
        "the banner year of the bank",
        "headline inflation in March",
        "the caption contest",
        "slide into debt",
        "show me how it works",
        "Show me where the garden is",
    ],
)
def test_word_that_may_mean_a_sign_prefers_no_track(text: str) -> None:
    assert route_text(text).preferred == ()


def test_only_unknown_names_are_compared_by_their_letters() -> None:
    route = route_query(parse_query("Who met Alise Wolker in Oslo, demolishing it?", VOCABULARY))
    assert route.trigram_words == ("alise", "wolker")
    assert route.weights.trigram > 0
    known = route_query(parse_query("Who met Alice Walker in Oslo?", VOCABULARY))
    assert known.trigram_words == ()
    assert known.weights.trigram == 0
    assert known.weights.graph > 0


def test_quoted_words_weigh_more_as_text() -> None:
    weights = route_query(parse_query('"rose garden"')).weights
    assert weights.text > weights.vector


def test_request_overrides_the_rules() -> None:
    only_text = RetrieverWeights(vector=0, text=1)
    query = parse_query("what is on the sign?")
    route = route_query(
        query, overrides=RouteOverrides(tracks=(PassageTrack.SPEECH,), weights=only_text)
    )
    assert route.tracks == (PassageTrack.SPEECH,)
    assert route.weights == only_text
    assert Rule.OVERRIDDEN in route.rules
    assert route.preferred == ()
    everywhere = route_query(query, overrides=RouteOverrides(tracks=()))
    assert (everywhere.tracks, everywhere.preferred) == ((), ())
