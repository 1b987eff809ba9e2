"""Passages are replaced as a whole, keep what did not change, and know their owner's words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, text
from tests.integration.storage.intelligence_rows import (
    SPEECH,
    make_passages,
    register,
    tell,
)

from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval.passages import (
    find_unknown_words,
    list_passages,
    save_passages,
)
from cinemill.storage.retrieval.search import find_candidates


def list_words(database: Database) -> list[str]:
    with database.begin() as connection:
        return [*connection.execute(text("SELECT word FROM word ORDER BY word")).scalars()]


def read_versions(connection: Connection) -> dict[str, str]:
    """The transaction that wrote each passage."""
    rows = connection.execute(text("SELECT id::text, xmin::text AS version FROM passage"))
    return {row.id: row.version for row in rows}


def test_passages_are_read_as_they_were_stored(database: Database) -> None:
    register(database, "film", collection="news")
    ids = tell(database, "film", ["One two.", "Drei 4 vier"], language="de", speaker="Eve")
    with database.begin() as connection:
        stored = list_passages(connection, "film", SPEECH)
        collection = connection.execute(text("SELECT DISTINCT collection FROM passage")).scalar()
    assert [one.passage for one in stored] == make_passages(
        ["One two.", "Drei 4 vier"], language="de", speaker="Eve"
    )
    assert [one.id for one in stored] == ids
    assert {(one.asset_id, one.owner) for one in stored} == {("film", "ann")}
    assert collection == "news"


def test_words_that_were_unsure_are_stored_with_a_passage_that_stays(database: Database) -> None:
    register(database, "film")
    (plain,) = make_passages(["Verizon sold it."])
    found = []
    for unsure in (None, ("Verizon",), (), None):
        with database.begin() as connection:
            (identity,) = save_passages(
                connection, "film", SPEECH, [replace(plain, unsure_words=unsure)]
            )
        with database.begin() as connection:
            (stored,) = list_passages(connection, "film", SPEECH)
        found.append((identity, stored.passage.unsure_words))
    assert [unsure for _, unsure in found] == [None, ("Verizon",), (), None]
    assert len({identity for identity, _ in found}) == 1


def test_search_finds_the_words_that_were_unsure(database: Database) -> None:
    register(database, "film")
    heard, written = make_passages(["Verizon sold it.", "Verizon bought it."])
    with database.begin() as connection:
        save_passages(
            connection, "film", SPEECH, [replace(heard, unsure_words=("Verizon",)), written]
        )
    asked = CandidateQuery(scope=SearchScope("ann"), text="Verizon", limit=10)
    with database.begin() as connection:
        found = find_candidates(connection, asked)
    assert {one.number: one.unsure_words for one in found} == {0: ("Verizon",), 1: None}


def test_unchanged_passages_stay_and_others_are_replaced(database: Database) -> None:
    register(database, "film")
    before = tell(database, "film", ["stays here", "changes soon", "disappears"])
    tell(database, "film", ["in the picture"], track=PassageTrack.TEXT)
    with database.begin() as connection:
        versions = read_versions(connection)
    after = tell(database, "film", ["stays here", "has changed"])
    assert after[0] == before[0]
    assert after[1] != before[1]
    with database.begin() as connection:
        assert len(list_passages(connection, "film", SPEECH)) == 2
        assert len(list_passages(connection, "film", PassageTrack.TEXT)) == 1
        kept = read_versions(connection)
    assert kept[before[0]] == versions[before[0]]


def test_words_are_those_of_the_passages_that_exist(database: Database) -> None:
    register(database, "film")
    register(database, "other")
    tell(database, "film", ["Running negotiations 2026 a B2B", "über Grenzen"])
    tell(database, "other", ["Negotiations, running"])
    assert list_words(database) == ["grenzen", "negotiations", "running", "über"]
    tell(database, "film", ["They run"])
    assert list_words(database) == ["negotiations", "running", "they"]
    with database.begin() as connection:
        assets.delete_asset(connection, "other")
    assert list_words(database) == ["they"]


def test_unknown_words_are_those_of_no_passage_of_the_owner(database: Database) -> None:
    register(database, "film")
    register(database, "theirs", owner="bob")
    tell(database, "film", ["Zarif negotiates with O'Brien"])
    tell(database, "theirs", ["Ashton listens"])
    asked = ["ZARIF", "Ashton", "Zareef", "abc", "2026s", "O'Brien", "x" * 50]
    with database.begin() as connection:
        assert find_unknown_words(connection, "ann", asked) == ["Ashton", "Zareef"]
        assert find_unknown_words(connection, "nobody", ["Zarif"]) == ["Zarif"]
        assert find_unknown_words(connection, "ann", []) == []


def test_collection_of_passages_follows_the_video(database: Database) -> None:
    register(database, "film")
    tell(database, "film", ["one"])
    with database.begin() as connection:
        assets.set_collection(connection, "film", "new")
        with pytest.raises(NotFound):
            assets.set_collection(connection, "nothing", "new")
        assert connection.execute(text("SELECT collection FROM passage")).scalars().all() == ["new"]
    assert assets.get_asset(database, "film").collection == "new"


def test_passages_of_a_missing_video_or_another_track_are_rejected(database: Database) -> None:
    with database.begin() as connection, pytest.raises(NotFound) as missing:
        save_passages(connection, "nothing", SPEECH, [])
    assert missing.value.code == "asset_not_found"
    register(database, "film")
    with database.begin() as connection, pytest.raises(ValueError, match="track speech"):
        save_passages(connection, "film", SPEECH, make_passages(["x"], track=PassageTrack.TEXT))
