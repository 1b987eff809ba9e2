"""Entities, mentions, relations and scenes: counted from rows, merged and taken apart again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    mention,
    register,
    relation,
    save,
    tell,
)

from cinemill.core.knowledge.graph import EntityKind, Modality
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.errors import Conflict, NotFound
from cinemill.storage.database import Database
from cinemill.storage.knowledge import entities, merges, scenes
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence, save_mentions
from cinemill.storage.knowledge.names import entity_key
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation
from cinemill.storage.retrieval.passages import save_passages

ANN = SearchScope("ann")


def find(database: Database, name: str, owner: str = "ann") -> str:
    with database.begin() as connection:
        (found,) = entities.find_entities(connection, owner, [name])[name]
    return found


def get(database: Database, name: str) -> entities.Entity:
    identity = find(database, name)
    with database.begin() as connection:
        return entities.get_entity(connection, "ann", identity)


def list_entities(database: Database) -> list[tuple[Any, ...]]:
    query = text(
        "SELECT key, kind, merged_into, canonical_id FROM entity ORDER BY owner, kind, key"
    )
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(query)]


def merge(database: Database, source: str, target: str) -> merges.Merge:
    with database.begin() as connection:
        return merges.merge_entities(
            connection,
            "ann",
            find(database, source),
            find(database, target),
            reason="sounds alike",
            decided_by="ann",
            score=0.9,
        )


def undo(database: Database, merge: merges.Merge) -> merges.Merge:
    with database.begin() as connection:
        return merges.undo_merge(connection, "ann", merge.id, undone_by="ann")


@pytest.fixture
def film(database: Database) -> str:
    register(database, "film", collection="news")
    return "film"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("  The  United\tStates’s ", "united states"),
        ("“Kerry,”", "kerry"),
        ("ＫＥＲＲＹ", "kerry"),
        ("Straße", "strasse"),
        ("the", "the"),
        ("…", ""),
        ("x" * 500, "x" * 200),
    ],
)
def test_spellings_of_a_name_have_one_key(name: str, key: str) -> None:
    assert entity_key(name) == key


def test_entity_is_known_by_its_most_frequent_spelling(database: Database, film: str) -> None:
    (one,) = tell(database, film, ["Kerry and KERRY"])
    names = ["kerry", "Kerry", "Kerry", "the Kerry"]
    save(database, film, [PassageEvidence(one, [mention(name) for name in names])])
    found = get(database, "KERRY")
    assert found.name == "Kerry"
    assert found.names == ("Kerry", "kerry", "the Kerry")
    assert (found.kind, found.mention_count, found.asset_count) == (EntityKind.PERSON, 4, 1)


def test_name_in_a_relation_is_what_its_passage_mentions(database: Database, film: str) -> None:
    first, second = tell(database, film, ["one", "two"])
    washington = mention("Washington", EntityKind.PLACE)
    evidence = [
        PassageEvidence(first, [mention("Washington")], [relation("Washington", "cross", "river")]),
        PassageEvidence(second, [washington], [relation("Washington", "decide", "Kerry")]),
        PassageEvidence(None, [mention("Kerry")]),
    ]
    save(database, film, evidence)
    query = text(
        """
        SELECT subject.kind, predicate, object.kind FROM relation_evidence
        JOIN entity AS subject ON subject.id = subject_id
        JOIN entity AS object ON object.id = object_id ORDER BY number
        """
    )
    with database.begin() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    assert found == [("person", "cross", "thing"), ("place", "decide", "person")]


def test_entity_that_moves_between_mentions_and_relations_keeps_its_merges(
    database: Database, film: str
) -> None:
    (one,) = tell(database, film, ["Kerry"])
    treaty, deal = mention("treaty", EntityKind.THING), mention("deal", EntityKind.THING)
    save(database, film, [PassageEvidence(one, [treaty, deal])])
    merge(database, "deal", "treaty")
    # The numbers of the rows are taken by others, and one entity is left in a relation only.
    evidence = PassageEvidence(one, [mention("Zarif"), treaty], [relation("deal", "bind", "Zarif")])
    save(database, film, [evidence])
    save(database, film, [PassageEvidence(one, [treaty, deal])])
    assert find(database, "deal") == find(database, "treaty")
    assert [row[0] for row in list_entities(database)] == ["deal", "treaty"]


def test_replaced_passages_leave_entities_until_their_evidence_is_replaced(
    database: Database, film: str
) -> None:
    (one,) = tell(database, film, ["Kerry"])
    save(database, film, [PassageEvidence(one, [mention("Kerry")])])
    (two,) = tell(database, film, ["Kerry again"])
    identity = find(database, "Kerry")
    with database.begin() as connection:
        (moment,) = entities.list_moments(connection, ANN, identity)
    assert moment.passage_id is None
    save(database, film, [PassageEvidence(two, [mention("Kerry")])])
    with database.begin() as connection:
        (moment,) = entities.list_moments(connection, ANN, identity)
    assert moment.passage_id == two


def test_evidence_of_another_modality_stays(database: Database, film: str) -> None:
    save(database, film, [PassageEvidence(None, [mention("Kerry")])])
    seen = replace(mention("car", EntityKind.THING), modality=Modality.PICTURE, span=None)
    with database.begin() as connection:
        save_evidence(connection, film, Modality.PICTURE, [PassageEvidence(None, [seen])])
    save(database, film, [])
    assert [row[0] for row in list_entities(database)] == ["car"]
    with database.begin() as connection, pytest.raises(ValueError, match="modality speech"):
        save_evidence(connection, film, Modality.SPEECH, [PassageEvidence(None, [seen])])
    with database.begin() as connection, pytest.raises(NotFound):
        save_evidence(connection, "nothing", Modality.SPEECH, [])


def test_merges_are_undone_exactly_in_any_order(database: Database, film: str) -> None:
    names = ["Kerry", "John Kerry", "J. Kerry", "Cary"]
    save(database, film, [PassageEvidence(None, [mention(name) for name in names])])
    before = list_entities(database)
    first = merge(database, "J. Kerry", "John Kerry")
    second = merge(database, "John Kerry", "Kerry")
    third = merge(database, "J. Kerry", "Cary")
    assert len({find(database, name) for name in names}) == 1
    assert get(database, "John Kerry").mention_count == 4
    undo(database, first)
    assert find(database, "J. Kerry") != find(database, "John Kerry")
    assert find(database, "John Kerry") == find(database, "Kerry") == find(database, "Cary")
    undo(database, third)
    assert find(database, "Kerry") != find(database, "Cary")
    undone = undo(database, second)
    assert list_entities(database) == before
    assert undone.undone_by == "ann"
    with pytest.raises(Conflict, match="undone already"):
        undo(database, second)


def test_merges_that_are_not_undone_are_listed(database: Database, film: str) -> None:
    save(database, film, [PassageEvidence(None, [mention("Kerry"), mention("Cary")])])
    first = merge(database, "Cary", "Kerry")
    undo(database, first)
    second = merge(database, "Kerry", "Cary")
    with database.begin() as connection:
        (listed,) = merges.list_merges(connection, "ann")
        assert merges.list_merges(connection, "bob") == []
    assert (listed.merge, listed.source_name, listed.target_name) == (second, "kerry", "cary")
    assert (second.reason, second.score, second.decided_by) == ("sounds alike", 0.9, "ann")
    with pytest.raises(Conflict, match="one entity already"):
        merge(database, "Kerry", "Cary")


def test_latest_merges_are_listed_first(database: Database, film: str) -> None:
    names = ["Kerry", "Cary", "Carey"]
    save(database, film, [PassageEvidence(None, [mention(name) for name in names])])
    made = [merge(database, name, "Kerry") for name in names[1:]]
    with database.begin() as connection:
        listed = [one.merge for one in merges.list_merges(connection, "ann")]
        assert [one.merge for one in merges.list_merges(connection, "ann", limit=1)] == made[1:]
    assert listed == made[::-1]


def test_entities_of_another_owner_are_not_found(database: Database, film: str) -> None:
    save(database, film, [PassageEvidence(None, [mention("Kerry"), mention("Cary")])])
    kerry, cary = find(database, "Kerry"), find(database, "Cary")
    logged = merge(database, "Cary", "Kerry")
    bob = SearchScope("bob")
    with database.begin() as connection:
        assert entities.find_entities(connection, "bob", ["Kerry"]) == {}
        assert entities.find_similar_entities(connection, "bob", "Kerry") == []
        assert entities.list_moments(connection, bob, kerry) == []
        assert entities.list_relations(connection, bob, kerry) == []
        assert entities.list_co_occurrences(connection, bob, kerry) == []
        for identity in (kerry, str(uuid4()), "no id"):
            with pytest.raises(NotFound):
                entities.get_entity(connection, "bob", identity)
        with pytest.raises(NotFound):
            merges.merge_entities(connection, "bob", kerry, cary, reason="", decided_by="bob")
        with pytest.raises(NotFound):
            merges.undo_merge(connection, "bob", logged.id, undone_by="bob")


def test_similar_names_are_suggested(database: Database, film: str) -> None:
    names = ["John Kerry", "Jon Kerry", "Zarif"]
    save(database, film, [PassageEvidence(None, [mention(name) for name in names])])
    with database.begin() as connection:
        found = entities.find_similar_entities(connection, "ann", "John Kerry")
    assert [one.key for one in found] == ["john kerry", "jon kerry"]
    assert found[0].score == 1 > found[1].score > 0.4


def test_relations_are_counted_from_their_evidence(database: Database, film: str) -> None:
    register(database, "other", collection="private")
    told = [relation("Kerry", "meet", "Zarif"), relation("Kerry", "meet", "Zarif")]
    denied = relation("Zarif", "trust", "Kerry", is_negated=True)
    people = [mention("Kerry"), mention("Zarif")]
    save(database, film, [PassageEvidence(None, people, [*told, denied])])
    save(database, "other", [PassageEvidence(None, people, told[:1])])
    kerry = find(database, "Kerry")
    with database.begin() as connection:
        edges = entities.list_relations(connection, ANN, kerry)
        public = entities.list_relations(connection, SearchScope("ann", ("news",)), kerry)
    assert [(one.predicate, one.is_subject, one.is_negated, one.weight) for one in edges] == [
        ("meet", True, False, 3),
        ("trust", False, True, 1),
    ]
    assert {one.entity_id for one in edges} == {find(database, "Zarif")}
    assert [one.weight for one in public] == [2, 1]


def test_co_occurrences_are_counted_by_passage(database: Database, film: str) -> None:
    ids = tell(database, film, ["one", "two", "three", "four"])
    together = [mention("Kerry"), mention("Kerry"), mention("Zarif")]
    evidence = [PassageEvidence(one, together) for one in ids[:2]]
    save(database, film, [*evidence, PassageEvidence(ids[2], [mention("Kerry")])])
    kerry = find(database, "Kerry")
    with database.begin() as connection:
        (found,) = entities.list_co_occurrences(connection, ANN, kerry)
        private = SearchScope("ann", ("private",))
        assert entities.list_co_occurrences(connection, private, kerry) == []
    assert (found.entity_id, found.passage_count) == (find(database, "Zarif"), 2)
    # log((2/4) / (3/4 · 2/4)) / −log(2/4)
    assert found.npmi == pytest.approx(0.41504, abs=1e-4)


def test_pictures_are_no_passages_in_which_entities_could_meet(
    database: Database, film: str
) -> None:
    ids = tell(database, film, ["one", "two", "three", "four"])
    evidence = [PassageEvidence(ids[0], [mention("Kerry"), mention("Zarif")])]
    evidence += [PassageEvidence(ids[1], [mention("Kerry")])]
    evidence += [PassageEvidence(ids[2], [mention("Zarif")])]
    save(database, film, evidence)
    frames = [Passage(at, PassageTrack.KEYFRAME, at, at + 1, "", frame_ms=at) for at in range(40)]
    with database.begin() as connection:
        save_passages(connection, film, PassageTrack.KEYFRAME, frames)
        (found,) = entities.list_co_occurrences(connection, ANN, find(database, "Kerry"))
    assert found.npmi == pytest.approx(0)  # each is in two passages of four, by chance in one both


def test_profiles_have_the_neighbors_of_merged_entities_once(database: Database, film: str) -> None:
    people = [mention(name) for name in ("Kerry", "Kerry", "Cary", "Zarif", "Alone")]
    said = [relation("Kerry", "meet", "Zarif"), relation("Zarif", "trust", "Cary")]
    said += [relation("Kerry", "know", "Cary")]
    save(database, film, [PassageEvidence(None, people, said)])
    merge(database, "Cary", "Kerry")
    with database.begin() as connection:
        profiles = entities.list_profiles(connection, "ann", limit=10)
        assert len(entities.list_profiles(connection, "ann", limit=2)) == 2
        assert entities.has_more_entities(connection, "ann", 2)
        assert not entities.has_more_entities(connection, "ann", 3)
    kerry, zarif = find(database, "Kerry"), find(database, "Zarif")
    neighbors = {one.name: one.neighbors for one in profiles}
    assert neighbors == {"Kerry": (zarif,), "Zarif": (kerry,), "Alone": ()}


@pytest.mark.parametrize(
    ("counts", "expected"), [((0, 3, 3, 9), -1.0), ((9, 9, 9, 9), 1.0), ((1, 3, 3, 9), 0.0)]
)
def test_npmi_is_between_minus_one_and_one(
    counts: tuple[int, int, int, int], expected: float
) -> None:
    assert entities.measure_npmi(*counts) == pytest.approx(expected)


def test_moments_are_read_in_pages(database: Database, film: str) -> None:
    told = [mention("Kerry", start_ms=start) for start in (5000, 0, 0, 9000)]
    save(database, film, [PassageEvidence(None, told)])
    kerry = find(database, "Kerry")
    with database.begin() as connection:
        every = entities.list_moments(connection, ANN, kerry)
        assert [one.start_ms for one in every] == [0, 0, 5000, 9000]
        rest = entities.list_moments(connection, ANN, kerry, after=every[1].place)
        assert rest == every[2:]
        assert entities.list_moments(connection, SearchScope("ann", ("x",)), kerry) == []


def test_scenes_are_read_as_they_were_stored_and_found_by_what_they_show(
    database: Database, film: str
) -> None:
    car, person = SceneObject("car", 3, 0, 900, 0.5), SceneObject("person", None, 0, 900, None)
    near = SceneRelation(0, "left of", 1, 0, 400, 0.25)
    again = SceneRelation(0, "left of", 1, 600, 900, None)
    saved = [Scene(0, 900, [car, person], [near, again]), Scene(900, 1800, [person], [])]
    with database.begin() as connection:
        scenes.save_scenes(connection, film, [Scene(0, 1, [car], [])])
        scenes.save_scenes(connection, film, saved)
        assert scenes.list_scenes(connection, film) == saved
        shown = scenes.find_scenes(connection, ANN, "person")
        assert [(one.asset_id, one.shot, one.start_ms) for one in shown] == [
            (film, 0, 0),
            (film, 1, 900),
        ]
        beside = scenes.find_scenes(connection, ANN, "car", predicate="left of", other="person")
        assert [one.shot for one in beside] == [0]
        assert scenes.find_scenes(connection, ANN, "person", predicate="left of", other="car") == []
        assert scenes.find_scenes(connection, SearchScope("bob"), "person") == []
        assert scenes.find_scenes(connection, SearchScope("ann", ("x",)), "person") == []
        with pytest.raises(NotFound):
            scenes.save_scenes(connection, "nothing", [])


def test_mentions_that_are_saved_alone_keep_the_relations(database: Database, film: str) -> None:
    (one,) = tell(database, film, ["Kerry met Zarif"])
    evidence = PassageEvidence(
        one, [mention("Kerry"), mention("Zarif")], [relation("Kerry", "meet", "Zarif")]
    )
    save(database, film, [evidence])
    with database.begin() as connection:
        alone = [PassageEvidence(one, [mention("Kerry"), mention("Moniz")])]
        save_mentions(connection, film, Modality.SPEECH, alone)
        names = connection.execute(text("SELECT name FROM mention ORDER BY number")).scalars()
        assert [*names] == ["Kerry", "Moniz"]
        said = text("SELECT subject_name, predicate, object_name FROM relation_evidence")
        assert [tuple(row) for row in connection.execute(said)] == [("Kerry", "meet", "Zarif")]
    assert get(database, "Zarif").mention_count == 0
    with pytest.raises(NotFound), database.begin() as connection:
        save_mentions(connection, "nothing", Modality.SPEECH, [])
