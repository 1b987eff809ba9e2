"""Conversations are an owner's, bounded, and forget what a deleted video said."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import register

from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval import conversations
from cinemill.storage.retrieval.conversations import MOST_TURNS, Turn

TURN = Turn("And he?", "Does Kerry meet Zarif?", "Yes.", {"entities": ["x"]})


def begin(database: Database) -> str:
    with database.begin() as connection:
        return conversations.create_conversation(connection, "ann")


def add(database: Database, identity: str, *asset_ids: str) -> int:
    with database.begin() as connection:
        return conversations.add_turn(connection, identity, "ann", TURN, asset_ids=asset_ids)


def numbers(database: Database, identity: str) -> list[int]:
    with database.begin() as connection:
        return [one.number for one in conversations.list_turns(connection, identity, "ann")]


def test_turns_are_read_as_they_were_stored(database: Database) -> None:
    identity = begin(database)
    register(database, "film")
    assert add(database, identity) == 1
    assert add(database, identity, "film", "film") == 2
    with database.begin() as connection:
        turns = conversations.list_turns(connection, identity, "ann")
    assert [one.turn for one in turns] == [TURN, TURN]
    assert [one.asset_ids for one in turns] == [frozenset(), {"film"}]


def test_only_the_last_turns_are_kept(database: Database) -> None:
    identity = begin(database)
    for _ in range(MOST_TURNS + 3):
        add(database, identity)
    assert numbers(database, identity) == list(range(4, MOST_TURNS + 4))


def test_turn_goes_with_a_video_that_its_answer_cites(database: Database) -> None:
    identity = begin(database)
    register(database, "film")
    register(database, "other")
    for cited in (["film"], ["other"], ["film", "other"], []):
        add(database, identity, *cited)
    with database.begin() as connection:
        assets.delete_asset(connection, "film")
    assert numbers(database, identity) == [2, 4]
    assert add(database, identity, "other") == 5


def test_turn_about_a_video_deleted_meanwhile_is_not_stored(database: Database) -> None:
    identity = begin(database)
    add(database, identity)
    assert add(database, identity, "gone") == 1
    assert numbers(database, identity) == [1]


def test_conversation_of_another_owner_is_not_found(database: Database) -> None:
    identity = begin(database)
    with database.begin() as connection:
        for owner, one in (("bob", identity), ("ann", str(uuid4())), ("ann", "no id")):
            with pytest.raises(NotFound):
                conversations.list_turns(connection, one, owner)
            with pytest.raises(NotFound):
                conversations.add_turn(connection, one, owner, TURN)
            assert not conversations.delete_conversation(connection, one, owner)
        assert conversations.delete_conversation(connection, identity, "ann")


def test_conversations_are_listed_by_their_last_use(database: Database) -> None:
    first, second = begin(database), begin(database)
    add(database, first)
    with database.begin() as connection:
        assert conversations.list_conversations(connection, "ann") == [first, second]
        assert conversations.list_conversations(connection, "bob") == []


def test_conversations_that_nobody_used_are_deleted(database: Database) -> None:
    old, new = begin(database), begin(database)
    rows.change(
        database,
        "UPDATE conversation SET used_at = clock_timestamp() - interval '31 days' "
        "WHERE id = CAST(:id AS uuid)",
        id=old,
    )
    with database.begin() as connection:
        assert conversations.delete_unused(connection, older_than_days=30) == 1
        assert conversations.list_conversations(connection, "ann") == [new]
