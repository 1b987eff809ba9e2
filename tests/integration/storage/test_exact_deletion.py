"""Deleting a video leaves exactly what a database holds that never had it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text
from tests.conftest import fresh_database
from tests.integration.storage.conftest import forgo_durability
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    ingest,
    read_everything,
    register,
)

from cinemill.storage.database import Database, migrate
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.merges import merge_entities
from cinemill.storage.media import assets

KEPT = {
    "talks": (
        ["The negotiations begin in Vienna.", "Kerry meets Zarif there."],
        ["Kerry", "Zarif"],
    ),
    "news": (["Negotiations went on for years.", "Kerry smiles."], ["John Kerry", "Zarif"]),
}
DELETED = (
    ["Negotiations about bananas.", "Kerry meets Ashton.", "The negotiations begin in Vienna."],
    ["Kerry", "J. Kerry", "Zarif", "Ashton"],
)


@pytest.fixture
def make_database(database_url: str) -> Iterator[Callable[[], Database]]:
    opened: list[Database] = []
    with fresh_database(database_url) as first, fresh_database(database_url) as second:
        urls = [first, second]

        def make() -> Database:
            url = urls.pop()
            migrate(url)
            forgo_durability(url)
            opened.append(Database(url))
            return opened[-1]

        yield make
        for database in opened:
            database.close()


def make_library(database: Database, *, with_deleted: bool) -> None:
    model = begin_model(database)
    videos = {"talks": KEPT["talks"]}
    # Between the others: neither the first nor the last of anything.
    if with_deleted:
        videos["deleted"] = DELETED
    videos["news"] = KEPT["news"]
    for name, (texts, people) in videos.items():
        register(database, name)
        ingest(database, name, texts, people)
    fill(database, model)
    activate(database, model)
    merge(database, "John Kerry", "Kerry")


def merge(database: Database, source: str, target: str) -> None:
    with database.begin() as connection:
        found = find_entities(connection, "ann", [source, target])
        merge_entities(
            connection,
            "ann",
            found[source][0],
            found[target][0],
            reason="the same name",
            decided_by="ann",
        )


def test_deletion_leaves_every_other_row_as_if_the_video_had_never_been(
    make_database: Callable[[], Database],
) -> None:
    never_had_it, had_it = make_database(), make_database()
    make_library(never_had_it, with_deleted=False)
    make_library(had_it, with_deleted=True)
    # A chain through entities that only the deleted video mentions.
    merge(had_it, "J. Kerry", "Ashton")
    expected = read_everything(never_had_it)
    assert read_everything(had_it) != expected

    with had_it.begin() as connection:
        assert assets.delete_asset(connection, "deleted")

    # Conversations are a person's, and stay; their turns about the video go.
    found = read_everything(had_it)
    assert len(found.pop("conversation")) == len(expected.pop("conversation")) + 1
    assert found == expected
    assert all(rows for rows in expected.values())


def test_deletion_of_every_video_leaves_no_row(make_database: Callable[[], Database]) -> None:
    database = make_database()
    make_library(database, with_deleted=True)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM asset"))
    left = {name for name, rows in read_everything(database).items() if rows}
    assert left == {"embedding_model", "conversation"}


def test_deleted_target_of_a_merge_gives_its_sources_back(
    make_database: Callable[[], Database],
) -> None:
    database = make_database()
    make_library(database, with_deleted=True)
    merge(database, "Zarif", "Ashton")
    with database.begin() as connection:
        assert assets.delete_asset(connection, "deleted")
        state = connection.execute(
            text("SELECT key, merged_into, id = canonical_id FROM entity WHERE key = 'zarif'")
        ).one()
    assert tuple(state) == ("zarif", None, True)
