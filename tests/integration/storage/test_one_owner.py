"""The migration that gives what came through Celery to the installation's one owner."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import mention, register, relation, save, tell
from tests.waiting import wait_until

from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.retrieval.hits import SearchScope
from cinemill.storage import sessions
from cinemill.storage.database import Database, check_version, migrate
from cinemill.storage.jobs.new_jobs import NewJob, insert_job
from cinemill.storage.knowledge.entities import find_entities, get_entity, list_moments
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.merges import list_merges, merge_entities, undo_merge
from cinemill.storage.knowledge.names import entity_id
from cinemill.storage.media.assets import delete_asset, get_asset, register_asset

FORMER = "celery"
ONE_OWNER = "0017"
"""Later migrations are not run again: this version's code writes to tables that have them."""
SCOPE = SearchScope(DEFAULT_OWNER)


@pytest.fixture
def old(empty_url: str) -> Iterator[Database]:
    """A database as it was before that migration."""
    migrate(empty_url)
    database = Database(empty_url)
    rows.change(database, "UPDATE alembic_version SET version_num = '0016'")
    yield database
    database.close()


def ingest(database: Database, asset_id: str, owner: str, *people: str) -> None:
    register(database, asset_id, owner=owner)
    ids = tell(database, asset_id, [f"{' and '.join(people)} met the {asset_id} minister."])
    found = [mention(name) for name in people]
    save(
        database,
        asset_id,
        [PassageEvidence(ids[0], found, [relation(people[0], "meet", people[-1])])],
    )


def make_job(asset_id: str) -> NewJob:
    return NewJob(
        "job", "work", FORMER, 5, asset_id=asset_id, params={}, idempotency_key=None,
        request_digest="",
    )  # fmt: skip


def find_one(database: Database, owner: str, name: str) -> str:
    with database.begin() as connection:
        (found,) = find_entities(connection, owner, [name])[name]
    return found


def count(database: Database, table: str, owner: str) -> int:
    query = text(f"SELECT count(*) FROM {table} WHERE owner = :owner")
    with database.begin() as connection:
        return int(connection.execute(query, {"owner": owner}).scalar_one())


def test_videos_of_celery_are_found_by_the_owner(old: Database) -> None:
    ingest(old, "sent", FORMER, "Ann", "Bob")
    ingest(old, "uploaded", DEFAULT_OWNER, "Bob", "Cid")
    with old.begin() as connection:
        insert_job(connection, make_job("sent"), [rows.make_step()])
    migrate(old.url, revision=ONE_OWNER)
    for table in ("asset", "passage", "asset_word", "word", "entity", "job", "run"):
        assert count(old, table, FORMER) == 0, table
    assert get_asset(old, "sent").owner == DEFAULT_OWNER
    both = find_one(old, DEFAULT_OWNER, "Bob")
    with old.begin() as connection:
        moments = list_moments(connection, SCOPE, both)
    assert {one.asset_id for one in moments} == {"sent", "uploaded"}
    # Later evidence finds the same entity, and a deletion leaves what the others say.
    ingest(old, "later", DEFAULT_OWNER, "Ann", "Dan")
    with old.begin() as connection:
        for asset_id in ("sent", "later"):
            assert delete_asset(connection, asset_id)
        assert find_entities(connection, DEFAULT_OWNER, ["Ann", "Dan"]) == {}
        words = connection.execute(text("SELECT word FROM word")).scalars().all()
    assert find_one(old, DEFAULT_OWNER, "Bob") == both
    assert ("uploaded" in words, "sent" in words) == (True, False)


def test_merges_move_with_their_entities_and_can_still_be_undone(old: Database) -> None:
    ingest(old, "sent", FORMER, "Ann", "Annie", "Bob", "Bobby")
    ingest(old, "uploaded", DEFAULT_OWNER, "Bob", "Bobby")
    for source, target in (("Annie", "Ann"), ("Bob", "Bobby")):
        with old.begin() as connection:
            merge_entities(
                connection, FORMER, find_one(old, FORMER, source), find_one(old, FORMER, target),
                reason="same", decided_by="a person",
            )  # fmt: skip
    migrate(old.url, revision=ONE_OWNER)
    with old.begin() as connection:
        ann = get_entity(connection, DEFAULT_OWNER, find_one(old, DEFAULT_OWNER, "Annie"))
        assert set(ann.names) == {"Ann", "Annie"}
        # The two Bobs of the uploaded video were nobody's to merge.
        assert find_one(old, DEFAULT_OWNER, "Bob") != find_one(old, DEFAULT_OWNER, "Bobby")
        (kept,) = list_merges(connection, DEFAULT_OWNER)
        undo_merge(connection, DEFAULT_OWNER, kept.merge.id, undone_by="a person")
    assert find_one(old, DEFAULT_OWNER, "Ann") != find_one(old, DEFAULT_OWNER, "Annie")


def test_file_that_came_both_ways_stays_two_videos(old: Database) -> None:
    ingest(old, "sent", FORMER, "Ann", "Bob")
    ingest(old, "other", FORMER, "Ann", "Cid")
    with old.begin() as connection:
        sha256 = get_asset(old, "sent").sha256
        register_asset(
            connection, owner=DEFAULT_OWNER, sha256=sha256, size_bytes=7, filename="film.mp4",
            asset_id="twin",
        )  # fmt: skip
        insert_job(connection, make_job("sent"), [rows.make_step()])
    migrate(old.url, revision=ONE_OWNER)
    assert (count(old, "job", FORMER), count(old, "run", FORMER)) == (1, 1)
    assert get_asset(old, "sent").owner == FORMER
    assert get_asset(old, "twin").owner == DEFAULT_OWNER
    assert count(old, "passage", FORMER) == 1
    moved = find_one(old, DEFAULT_OWNER, "Ann")
    with old.begin() as connection:
        assert {one.asset_id for one in list_moments(connection, SCOPE, moved)} == {"other"}
        assert "Bob" in find_entities(connection, FORMER, ["Bob"])
        assert find_entities(connection, DEFAULT_OWNER, ["Bob"]) == {}


def test_entity_ids_of_the_migration_are_those_of_the_code(old: Database) -> None:
    ingest(old, "sent", FORMER, "Ann", "Bob")
    migrate(old.url, revision=ONE_OWNER)
    kind = mention("Ann").kind
    assert find_one(old, DEFAULT_OWNER, "Ann") == str(entity_id(DEFAULT_OWNER, kind, "ann"))


def test_migration_takes_as_long_as_it_takes(
    old: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its statements write every row of a library: no limit for statements is theirs."""
    monkeypatch.setitem(sessions.SETTINGS, "statement_timeout", "2s")
    late = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND clock_timestamp() - query_start > interval '2.5 seconds'"
    )

    def is_late() -> bool:
        with old.begin() as connection:
            return bool(connection.execute(late).scalar_one())

    with ThreadPoolExecutor(1) as threads:
        with old.begin() as connection:
            connection.execute(text("LOCK TABLE asset IN ACCESS EXCLUSIVE MODE"))
            migrated = threads.submit(migrate, old.url, revision=ONE_OWNER)
            wait_until(lambda: migrated.done() or is_late())
        assert migrated.result() == check_version(old.url)
