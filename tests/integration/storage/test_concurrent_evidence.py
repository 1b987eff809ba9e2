"""What one transaction removes as the last of its kind, another may be adding at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import (
    SPEECH,
    make_passages,
    mention,
    register,
    save,
    tell,
)

from cinemill.core.knowledge.graph import Modality
from cinemill.storage.database import Database
from cinemill.storage.jobs.job_changes import record_quotations
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence
from cinemill.storage.knowledge.merges import lock_mentioning_assets, merge_entities
from cinemill.storage.media import assets
from cinemill.storage.retrieval.passages import save_passages

Change = Callable[[Connection], object]
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock'"
)


def delete_first(connection: Connection) -> object:
    return assets.delete_asset(connection, "first")


def mention_again(connection: Connection) -> None:
    evidence = [PassageEvidence(None, [mention("Kerry")])]
    save_evidence(connection, "second", Modality.SPEECH, evidence)


def say_again(connection: Connection) -> object:
    return save_passages(connection, "second", SPEECH, make_passages(["negotiations"]))


def change_both(database: Database, first: Change, second: Change) -> None:
    """Make a change, and another one that waits for the first before that is committed."""

    def run() -> None:
        with database.begin() as connection:
            second(connection)

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            first(connection)
            running = pool.submit(run)
            wait_for_lock(database, running)
        running.result()


def wait_for_lock(database: Database, running: Future[Any]) -> None:
    """Return once another transaction waits for a lock; fail if it ends without."""
    pause = threading.Event()
    waits = 0
    while not waits:
        assert not running.done(), running.result()
        with database.once() as connection:
            waits = connection.execute(WAITING).scalar_one()
        pause.wait(0.01)


@pytest.fixture
def library(database: Database) -> Database:
    register(database, "first")
    register(database, "second")
    tell(database, "first", ["negotiations"])
    save(database, "first", [PassageEvidence(None, [mention("Kerry")])])
    return database


def read(database: Database) -> tuple[list[str], list[str]]:
    with database.begin() as connection:
        return (
            [*connection.execute(text("SELECT key FROM entity")).scalars()],
            [*connection.execute(text("SELECT word FROM word")).scalars()],
        )


def test_entity_that_another_video_is_about_to_mention_stays(library: Database) -> None:
    change_both(library, mention_again, delete_first)
    assert read(library) == (["kerry"], [])


def test_entity_that_is_about_to_be_removed_is_created_again(library: Database) -> None:
    change_both(library, delete_first, mention_again)
    assert read(library) == (["kerry"], [])


def test_word_that_another_video_is_about_to_contain_stays(library: Database) -> None:
    change_both(library, say_again, delete_first)
    assert read(library) == ([], ["negotiations"])


def test_word_that_is_removed_between_two_statements_is_added_again(library: Database) -> None:
    deleted: list[object] = []

    def delete_once(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO asset_word" in statement and not deleted:
            with library.begin() as other:
                deleted.append(delete_first(other))

    with library.begin() as connection:
        event.listen(connection, "before_cursor_execute", delete_once)
        say_again(connection)
    assert deleted == [True]
    assert read(library) == ([], ["negotiations"])


def test_word_that_is_about_to_be_removed_is_added_again(library: Database) -> None:
    change_both(library, delete_first, say_again)
    assert read(library) == ([], ["negotiations"])


def test_merge_that_quotes_a_video_and_its_deletion_do_not_wait_for_each_other(
    database: Database,
) -> None:
    register(database, "first")
    save(database, "first", [PassageEvidence(None, [mention("Kerry"), mention("Kery")])])
    job = rows.accept(database)
    with database.begin() as connection:
        found = find_entities(connection, "ann", ["Kerry", "Kery"])
    (target,), (source,) = found["Kerry"], found["Kery"]

    def delete() -> bool:
        with database.begin() as connection:
            return assets.delete_asset(connection, "first")

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            lock_mentioning_assets(connection, "ann", [source, target])
            merge_entities(connection, "ann", source, target, reason="", decided_by="")
            running = pool.submit(delete)
            wait_for_lock(database, running)
            record_quotations(connection, job.id, ["first"])
        assert running.result()
