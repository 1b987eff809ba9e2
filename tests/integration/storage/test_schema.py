"""The migrations make the schema that the code sees, and no newer one is touched."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from tests.integration.storage import rows

import cinemill.storage.analyses.tables
import cinemill.storage.findings.tables
import cinemill.storage.knowledge.tables
import cinemill.storage.metrics.tables
import cinemill.storage.projection.tables
import cinemill.storage.providers.tables
import cinemill.storage.retrieval.tables  # noqa: F401
from cinemill.errors import DatabaseNewer, DatabaseUnavailable, LockTimeout
from cinemill.storage import database as database_module
from cinemill.storage.database import Database, check_version, migrate
from cinemill.storage.tables import metadata

COMPARED = {"compare_type": True, "compare_server_default": True}


def set_version(url: str, version: str) -> None:
    database = Database(url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    database.close()


def test_migrations_make_exactly_the_tables_that_the_code_sees(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=COMPARED)
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_empty_database_has_no_version_and_a_migrated_one_has_the_last(empty_url: str) -> None:
    assert check_version(empty_url) is None
    head = migrate(empty_url)
    assert check_version(empty_url) == head


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    assert migrate(empty_url) == migrate(empty_url)


def test_descriptions_are_embedded_by_the_models_that_are_there(empty_url: str) -> None:
    migrate(empty_url, revision="0017")
    database = Database(empty_url)
    add = text(
        "INSERT INTO embedding_model (space, name, revision, dimension, tracks) "
        "VALUES (:space, 'model', 'revision', 8, :tracks)"
    )
    before = {"text": ["speech", "text", "picture"], "picture": ["keyframe"]}
    with database.begin() as connection:
        for space, tracks in before.items():
            connection.execute(add, {"space": space, "tracks": tracks})
    migrate(empty_url)
    with database.begin() as connection:
        rows = connection.execute(text("SELECT space, tracks FROM embedding_model"))
        after = {row.space: row.tracks for row in rows}
    database.close()
    assert after == {**before, "text": [*before["text"], "description"]}


def test_two_that_migrate_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        heads = set(pool.map(migrate, [empty_url, empty_url]))
    assert heads == {check_version(empty_url)}


def test_migration_waits_for_a_table_without_holding_up_others(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody else waited behind a migration that waited for a forgotten transaction."""
    monkeypatch.setattr(database_module, "MIGRATION_LOCK_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(database_module, "MIGRATION_PAUSE_SECONDS", 1.0)
    migrate(empty_url, revision="0017")
    database = Database(empty_url)
    with ThreadPoolExecutor(1) as pool:
        with rows.locked(database, "SELECT count(*) FROM embedding_model, job, asset, passage"):
            migration = pool.submit(migrate, empty_url)
            for _ in range(5):
                # The lock of an INSERT, which a waiting migration would keep from being granted.
                rows.change(database, "LOCK TABLE passage IN ROW EXCLUSIVE MODE")
                time.sleep(0.3)
            assert not migration.done()
        migration.result()
    assert check_version(empty_url) == migrate(empty_url)
    database.close()


def test_migration_that_never_gets_its_table_names_who_holds_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "MIGRATION_LOCK_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(database_module, "MIGRATION_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(database_module, "MIGRATION_PATIENCE_SECONDS", 0.5)
    migrate(empty_url, revision="0017")
    database = Database(empty_url)
    with (
        rows.locked(database, "SELECT count(*) FROM embedding_model, job, asset, passage"),
        pytest.raises(LockTimeout, match=r"process \d+, idle in transaction, since"),
    ):
        migrate(empty_url)
    assert check_version(empty_url) == "0017"
    migrate(empty_url)
    database.close()


def test_data_of_a_newer_cinemill_is_not_touched(empty_url: str) -> None:
    migrate(empty_url)
    set_version(empty_url, "9999_from_the_future")
    with pytest.raises(DatabaseNewer) as refused:
        migrate(empty_url)
    assert "9999_from_the_future" in refused.value.message
    assert "Install the newer Cinemill version that wrote this data" in refused.value.hint
    with pytest.raises(DatabaseNewer):
        check_version(empty_url)


def test_migration_reports_a_missing_server() -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    with pytest.raises(DatabaseUnavailable) as refused:
        migrate(nowhere)
    assert "\n" not in refused.value.message
    with pytest.raises(DatabaseUnavailable):
        Database(nowhere).ping()
