"""Entities and relations of real sentences, by the real parser."""

from __future__ import annotations

import pytest
from bench.relations import (
    PRECISION_TARGET,
    RECALL_TARGET,
    SETS,
    compare_all,
    read_sentences,
    score,
)
from tests.model_files import fetch_models

from cinemill.capabilities.knowledge.entities import extract_entities
from cinemill.capabilities.knowledge.relations.extraction import (
    MOST_SENTENCE_RELATIONS,
    TextKnowledge,
    extract_relationships,
    is_unnamed,
)
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.gazetteer import Gazetteer, KnownName
from cinemill.core.knowledge.graph import EntityKind, RelationKind
from cinemill.inference.language.spacy_parser import CARD, SpacyParser, open_parser


@pytest.fixture(scope="module")
def parser() -> SpacyParser:
    return open_parser(fetch_models(CARD))


def read(parser: SpacyParser, *sources: SourceText) -> list[TextKnowledge]:
    parsed = parser.parse([source.text for source in sources])
    pairs = list(zip(sources, parsed, strict=True))
    return extract_relationships(sources, parsed, [extract_entities(*pair) for pair in pairs])


def list_relations(parser: SpacyParser, text: str) -> set[str]:
    """Return the relations of a text, as in the annotated sentences."""
    return {
        " | ".join(
            [
                *(one.subject, one.predicate, one.object),
                *(["not"] if one.is_negated else []),
                *(["possible"] if one.is_possible else []),
                *([f"according to {one.according_to}"] if one.according_to else []),
            ]
        )
        for one in read(parser, SourceText(text, 0, 1000))[0].relations
    }


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        (
            "Marie Curie and Pierre Curie discovered radium in Paris.",
            {
                "Marie Curie | discover | radium",
                "Pierre Curie | discover | radium",
                "Marie Curie | discover in | Paris",
                "Pierre Curie | discover in | Paris",
            },
        ),
        (
            "The bridge was designed by Isambard Brunel, an English engineer.",
            {"Isambard Brunel | design | bridge", "Isambard Brunel | be | English engineer"},
        ),
        (
            "She must be chosen and supported by the members.",
            {"members | choose | She | possible", "members | support | She | possible"},
        ),
        (
            "Our budget, our schedule, our staff were never enough.",
            {
                "budget | be | enough | not",
                "schedule | be | enough | not",
                "staff | be | enough | not",
            },
        ),
        (
            "The minister said that the government had signed the treaty.",
            {"government | sign | treaty | according to minister"},
        ),
        (
            "According to the report, the plant emits mercury.",
            {"plant | emit | mercury | according to report"},
        ),
        (
            "She refused to sell the house.",
            {"She | sell | house | not | possible"},
        ),
        (
            "Neither the mayor nor the council answered the question.",
            {"mayor | answer | question | not", "council | answer | question | not"},
        ),
        ("She was not a doctor but a nurse.", {"She | be | doctor | not", "She | be | nurse"}),
        (
            "If the council approves the plan, the city will build a school.",
            {"council | approve | plan | possible", "city | build | school | possible"},
        ),
        ("Did the king sign the treaty?", {"king | sign | treaty | possible"}),
        (
            "The house he lived in belonged to his aunt.",
            {"he | live in | house", "house | belong to | aunt"},
        ),
        (
            "The river flows out of the lake, through the valley, into the sea.",
            {
                "river | flow out of | lake",
                "river | flow through | valley",
                "river | flow into | sea",
            },
        ),
        ("There is no water in the well.", {"water | be in | well | not"}),
        (
            "The children were afraid of the dark.",
            {"children | be | afraid", "children | be afraid of | dark"},
        ),
        (
            "He visited Paris, Rome, Vienna.",
            {"He | visit | Paris", "He | visit | Rome", "He | visit | Vienna"},
        ),
        ("They lived in Dayton, Ohio.", {"They | live in | Dayton"}),
        (
            "They lived in Paris and Dayton, Ohio.",
            {"They | live in | Paris", "They | live in | Dayton"},
        ),
        ("Last year, in short, nothing happened.", set()),
        ("Come here at once!", set()),
        ("Hiroshima, Japan.", set()),
    ],
)
def test_grammar_is_read(parser: SpacyParser, text: str, relations: set[str]) -> None:
    assert list_relations(parser, text) == relations


@pytest.mark.parametrize("name", SETS)
def test_annotated_sentences_are_read_as_well_as_promised(parser: SpacyParser, name: str) -> None:
    precision, recall = score(compare_all(parser, read_sentences(name)))
    assert precision >= PRECISION_TARGET
    assert recall >= RECALL_TARGET


def test_pronoun_is_the_nearest_person_of_two_sentences(parser: SpacyParser) -> None:
    texts = [
        "Mrs. Bennet met Mr. Darcy in London.",
        "The rain fell on the roofs.",
        "He bought a horse.",
        "She sold a house.",
    ]
    sources = [SourceText(text, n * 1000, (n + 1) * 1000) for n, text in enumerate(texts)]
    found = read(parser, *sources)
    assert [(one.subject, one.kind) for one in found[2].relations] == [
        ("Mr. Darcy", RelationKind.INFERRED)
    ]
    # Three sentences back is too far.
    assert [(one.subject, one.kind) for one in found[3].relations] == [("She", RelationKind.STATED)]
    assert is_unnamed("She")
    assert [(one.name, one.is_inferred, one.start_ms) for one in found[2].inferred] == [
        ("Mr. Darcy", True, 2000)
    ]


def test_pronoun_is_no_person_of_another_speaker(parser: SpacyParser) -> None:
    first = SourceText("Mr. Darcy came to London.", 0, 1000, speaker="Anna")
    same = SourceText("He bought a horse.", 1000, 2000, speaker="Anna")
    other = SourceText("He bought a horse.", 1000, 2000, speaker="Ben")
    assert read(parser, first, same)[1].relations[0].subject == "Mr. Darcy"
    assert read(parser, first, other)[1].relations[0].subject == "He"


def test_speaker_is_meant_by_i(parser: SpacyParser) -> None:
    known = SourceText("I bought a horse.", 0, 1000, speaker="Anna Low")
    (relation,) = read(parser, known)[0].relations
    assert (relation.subject, relation.kind) == ("Anna Low", RelationKind.INFERRED)
    (relation,) = read(parser, SourceText("I bought a horse.", 0, 1000))[0].relations
    assert (relation.subject, relation.kind) == ("I", RelationKind.STATED)


def test_subject_of_a_verb_is_not_its_object_too(parser: SpacyParser) -> None:
    (relation,) = read(parser, SourceText("Mr. Darcy saw him.", 0, 1000))[0].relations
    assert relation.object == "him"


def test_gazetteer_goes_before_the_parser(parser: SpacyParser) -> None:
    source = SourceText("Elinor met Warren Buffett's dog in Paris on Monday.", 0, 1000)
    (parsed,) = parser.parse([source.text])
    gazetteer = Gazetteer(
        [KnownName("Elinor", EntityKind.PERSON), KnownName("Paris", EntityKind.PERSON)]
    )
    found = {one.name: one.kind for one in extract_entities(source, parsed, gazetteer)}
    assert found == {
        "Elinor": EntityKind.PERSON,
        "Warren Buffett": EntityKind.PERSON,
        "Paris": EntityKind.PERSON,
        "Monday": EntityKind.DATE,
    }


def test_mention_is_where_its_name_is(parser: SpacyParser) -> None:
    source = SourceText('They read "the New York Times" with Mrs. Low.', 0, 1000)
    found = extract_entities(source, parser.parse([source.text])[0])
    assert {one.name for one in found} >= {"Mrs. Low"}
    for one in found:
        assert one.span is not None
        assert source.text[one.span.start : one.span.end] == one.name


def test_relation_has_the_name_of_its_entity(parser: SpacyParser) -> None:
    source = SourceText("Mr. Darcy repaired the old flux capacitor.", 0, 1000)
    parsed = parser.parse([source.text])
    gazetteer = Gazetteer([KnownName("flux capacitor", EntityKind.THING)])
    mentions = extract_entities(source, parsed[0], gazetteer)
    (relation,) = extract_relationships([source], parsed, [mentions])[0].relations
    assert [one.name for one in mentions] == [relation.subject, relation.object]
    assert relation.object == "flux capacitor"


def test_relations_of_a_sentence_are_bounded(parser: SpacyParser) -> None:
    hosts = "Anna, Berta, Carl, Dora, Emil, Fritz, Gustav, Hans and Ida"
    guests = "Karl, Ludwig, Martha, Nora, Otto, Paula, Richard, Sophie and Viktor"
    text = f"{hosts} invited {guests}."
    assert len(read(parser, SourceText(text, 0, 1000))[0].relations) == MOST_SENTENCE_RELATIONS


def test_endless_sentences_are_bounded(parser: SpacyParser) -> None:
    crowd = ", ".join(f"Name{n}" for n in range(40))
    texts = [
        f"{crowd} and Anna met {crowd} and Ben.",
        "and he said that " * 290,
        "of the man who saw " * 260,
        '"' * 5000,
        "a " * 2500,
        "",
        " \n ",
    ]
    found = read(parser, *(SourceText(text, 0, 1000) for text in texts))
    assert len(found) == len(texts)
    assert found[5].relations == found[6].relations == ()
