"""What searches read besides candidates: labels, statements, neighbours, titles, conversations."""

from __future__ import annotations

import pytest
from tests.integration.storage.intelligence_rows import (
    mention,
    register,
    relation,
    save,
    tell,
)

from cinemill.core.knowledge.gazetteer import KnownName
from cinemill.core.knowledge.graph import EntityKind, RelationKind
from cinemill.core.page_position import PagePosition
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.database import Database
from cinemill.storage.knowledge.entities import find_entities, list_relations
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.labels import label_entities
from cinemill.storage.knowledge.mentions import count_mentions
from cinemill.storage.knowledge.merges import merge_entities
from cinemill.storage.knowledge.statements import (
    RelationKey,
    Statement,
    list_evidence,
    list_statements,
)
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.retrieval import conversations
from cinemill.storage.retrieval.context_passages import (
    find_titles,
    read_neighbours,
    read_passages,
)

ANN, BOB = SearchScope("ann"), SearchScope("bob")
TEXTS = ["Kerry met Zarif in Vienna.", "They spoke for an hour.", "Then it rained.", "The end."]


@pytest.fixture
def talks(database: Database) -> list[str]:
    """Ids of the passages of ann's video; bob has one with the same names."""
    register(database, "talks", owner="ann", collection="news")
    ids = tell(database, "talks", TEXTS)
    people = [mention("Kerry"), mention("Zarif"), mention("John Kerry")]
    met = [relation("Kerry", "meet", "Zarif"), relation("John Kerry", "leave", "Zarif")]
    save(database, "talks", [PassageEvidence(ids[0], people, met)])
    register(database, "other", owner="bob")
    others = tell(database, "other", ["Kerry hid from Zarif."])
    hid = [relation("Kerry", "hide from", "Zarif", is_negated=True)]
    save(database, "other", [PassageEvidence(others[0], people[:2], hid)])
    return ids


def find(database: Database, owner: str, name: str) -> str:
    with database.begin() as connection:
        (identity,) = find_entities(connection, owner, [name])[name]
    return identity


@pytest.mark.usefixtures("talks")
def test_label_of_a_merged_entity_is_that_of_the_other(database: Database) -> None:
    kerry, john = find(database, "ann", "Kerry"), find(database, "ann", "John Kerry")
    with database.begin() as connection:
        merge_entities(
            connection, "ann", source_id=john, target_id=kerry, reason="same", decided_by="ann"
        )
        labels = label_entities(connection, "ann", [kerry, john, "no-id"])
        theirs = label_entities(connection, "bob", [kerry])
    assert labels.keys() == {kerry, john}
    assert {(one.id, one.kind) for one in labels.values()} == {(kerry, EntityKind.PERSON)}
    assert theirs == {}


@pytest.mark.usefixtures("talks")
def test_statements_have_the_passage_that_they_stand_in(database: Database) -> None:
    kerry, john = find(database, "ann", "Kerry"), find(database, "ann", "John Kerry")
    with database.begin() as connection:
        (one,) = list_statements(connection, ANN, kerry)
        assert list_statements(connection, BOB, kerry) == []
        assert list_statements(connection, SearchScope("ann", ("sports",)), kerry) == []
        assert list_statements(connection, ANN, kerry, kinds=[RelationKind.SPATIAL]) == []
        merge_entities(
            connection, "ann", source_id=john, target_id=kerry, reason="same", decided_by="ann"
        )
        merged = list_statements(connection, SearchScope("ann", ("news",)), john)
    assert (one.asset_id, one.subject, one.predicate, one.object) == (
        "talks",
        "Kerry",
        "meet",
        "Zarif",
    )
    assert one.text == TEXTS[0]
    assert {statement.predicate for statement in merged} == {"meet", "leave"}


@pytest.mark.usefixtures("talks")
def test_evidence_of_each_relation_is_all_that_was_counted(database: Database) -> None:
    """After a merge too, when evidence names entities that are no longer their own."""
    register(database, "more")
    ids = tell(database, "more", ["John Kerry met Zarif.", "Zarif met Kerry."])
    people = [mention("Kerry"), mention("Zarif"), mention("John Kerry")]
    first = [relation("John Kerry", "meet", "Zarif"), relation("John Kerry", "meet", "Zarif")]
    denied = relation("John Kerry", "meet", "Zarif", is_negated=True)
    second = [relation("Zarif", "meet", "Kerry"), denied]
    save(
        database,
        "more",
        [PassageEvidence(ids[0], people, first), PassageEvidence(ids[1], people, second)],
    )
    kerry, john = find(database, "ann", "Kerry"), find(database, "ann", "John Kerry")
    with database.begin() as connection:
        merge_entities(
            connection, "ann", source_id=john, target_id=kerry, reason="same", decided_by="ann"
        )
        relations = list_relations(connection, ANN, kerry)
        assert sorted(one.weight for one in relations) == [1, 1, 1, 3]
        for one in relations:
            key = RelationKey(
                one.entity_id, one.predicate, one.kind, one.is_subject,
                is_negated=one.is_negated, is_possible=one.is_possible,
            )  # fmt: skip
            # An id of the merged one stands for the other.
            found = list_evidence(connection, ANN, john, key)
            assert len(found) == one.weight
            ends = {found[0].subject_id, found[0].object_id}
            assert ends == {kerry, one.entity_id}
            paged: list[Statement] = []
            while page := list_evidence(
                connection, ANN, kerry, key, after=paged[-1].place if paged else None, limit=1
            ):
                paged += page
            assert paged == found
            assert list_evidence(connection, BOB, kerry, key) == []
            assert list_evidence(connection, SearchScope("ann", ("sports",)), kerry, key) == []


def test_neighbours_are_of_the_same_video_and_track(database: Database, talks: list[str]) -> None:
    tell(database, "talks", ["A sign", "Another sign"], track=PassageTrack.TEXT)
    with database.begin() as connection:
        found = read_passages(connection, ANN, [talks[1], "no-id"])
        near = read_neighbours(connection, ANN, found, 1)
        assert read_neighbours(connection, BOB, found, 1) == []
        assert read_passages(connection, BOB, talks) == []
        assert read_passages(connection, SearchScope("ann", ("sports",)), talks) == []
        assert read_neighbours(connection, ANN, [], 1) == []
    assert [one.text for one in found] == [TEXTS[1]]
    assert [one.text for one in near] == TEXTS[:3]


@pytest.mark.usefixtures("talks")
def test_titles_are_those_of_the_owners_videos(database: Database) -> None:
    with database.begin() as connection:
        titles = find_titles(connection, "ann", ["talks", "other", "talks"])
    assert titles == {"talks": "talks.mp4"}


@pytest.mark.usefixtures("talks")
def test_conversations_are_summarized_in_pages(database: Database) -> None:
    ids = []
    for number in range(3):
        with database.begin() as connection:
            identity = conversations.create_conversation(connection, "ann")
            for part in ("first", "last"):
                turn = conversations.Turn(f"{part} {number}", part, "")
                cited = ["talks"] if number == 1 else []
                conversations.add_turn(connection, identity, "ann", turn, asset_ids=cited)
            ids.append(identity)
    with database.begin() as connection:
        conversations.create_conversation(connection, "ann")  # without turns: not shown
        first = conversations.summarize_conversations(connection, "ann", limit=2)
        after = PagePosition(first[-1].used_at, first[-1].id)
        rest = conversations.summarize_conversations(connection, "ann", after=after)
        assert conversations.summarize_conversations(connection, "bob") == []
    assert [one.id for one in [*first, *rest]] == ids[::-1]
    assert [(one.turn_count, one.question) for one in first] == [(2, "last 2"), (2, "last 1")]
    with database.begin() as connection:
        delete_asset(connection, "talks")
        left = conversations.summarize_conversations(connection, "ann")
    assert [one.id for one in left] == [ids[2], ids[0]]


def test_mentions_of_names_are_counted_for_one_owner(database: Database, talks: list[str]) -> None:
    kerry, place = KnownName("KERRY", EntityKind.PERSON), KnownName("Kerry", EntityKind.PLACE)
    register(database, "again", owner="ann")
    ids = tell(database, "again", ["Kerry came back."])
    save(database, "again", [PassageEvidence(ids[0], [mention("Kerry")])])
    with database.begin() as connection:
        counted = count_mentions(connection, "ann", [kerry, place])
        assert count_mentions(connection, "ann", []) == {}
    assert counted == {kerry: 2}
