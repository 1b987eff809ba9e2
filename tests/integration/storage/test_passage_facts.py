"""What is named and stated in each passage of one video."""

from __future__ import annotations

from tests.integration.storage.intelligence_rows import mention, register, relation, save, tell

from cinemill.core.knowledge.graph import EntityKind, Mention, Modality
from cinemill.core.retrieval.hits import SearchScope
from cinemill.storage.database import Database
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.merges import merge_entities
from cinemill.storage.knowledge.passage_facts import (
    PassageName,
    count_passage_statements,
    list_passage_names,
)

ANN = SearchScope("ann")


def store(database: Database) -> list[str]:
    """Store a video of ann's with three passages, and another one with the same person."""
    register(database, "film")
    ids = tell(database, "film", ["Kerry met Zarif on Monday.", "He spoke to Zarif.", "It rained."])
    pronoun = Mention("He", EntityKind.PERSON, Modality.SPEECH, 0, 900, is_inferred=True)
    monday = mention("Monday", EntityKind.DATE)
    people = [mention("Kerry"), mention("Zarif", start_ms=10)]
    met = [
        relation("Kerry", "meet", "Zarif"),
        relation("Kerry", "leave", "Zarif", is_negated=True),
        relation("Kerry", "like", "Zarif", is_possible=True),
    ]
    spoke = [relation("Zarif", "hear", "Kerry"), relation("Kerry", "address", "Zarif")]
    save(
        database,
        "film",
        [
            PassageEvidence(ids[0], [*people, monday], met),
            PassageEvidence(ids[1], [pronoun, *people], spoke),
        ],
    )
    register(database, "other")
    others = tell(database, "other", ["Kerry."])
    save(database, "other", [PassageEvidence(others[0], [mention("Kerry")], [])])
    return ids


def test_names_are_listed_by_passage_in_order(database: Database) -> None:
    ids = store(database)
    with database.begin() as connection:
        found = list_passage_names(connection, "film")
        known = find_entities(connection, "ann", ["Kerry", "Zarif"])
    kerry, zarif = (PassageName(known[name][0], name) for name in ("Kerry", "Zarif"))
    assert found == {ids[0]: [kerry, zarif], ids[1]: [kerry, zarif]}


def test_merged_entity_has_the_id_of_the_other(database: Database) -> None:
    ids = store(database)
    with database.begin() as connection:
        known = find_entities(connection, "ann", ["Kerry", "Zarif"])
        merge_entities(
            connection, "ann", known["Kerry"][0], known["Zarif"][0], reason="test", decided_by="ann"
        )
        found = list_passage_names(connection, "film")
    assert {one.entity_id for one in found[ids[0]]} == {known["Zarif"][0]}
    assert [one.name for one in found[ids[0]]] == ["Kerry", "Zarif"]


def test_only_what_is_affirmed_counts(database: Database) -> None:
    ids = store(database)
    with database.begin() as connection:
        assert count_passage_statements(connection, "film") == {ids[0]: 1, ids[1]: 2}
        assert count_passage_statements(connection, "other") == {}
