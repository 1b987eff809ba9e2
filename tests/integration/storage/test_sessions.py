"""What the engine needs of a session it sets itself, whatever the database or the role sets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from tests.conftest import fresh_database
from tests.integration.storage import rows
from tests.integration.storage.rows import make_step
from tests.poolers import needs_pgbouncer, running_pooler

from cinemill.core.job import JobState
from cinemill.storage import sessions
from cinemill.storage.database import Database, migrate, open_connection, open_patient_connection
from cinemill.storage.sessions import SETTINGS

SIBLINGS = 8
HOSTILE = {
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "idle_in_transaction_session_timeout": "2s",
    "statement_timeout": "2s",
    "lock_timeout": "0",
    "idle_session_timeout": "5s",
    "client_encoding": "latin1",
    "timezone": "Australia/Lord_Howe",
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "jit": "on",
    "synchronous_commit": "off",
}
"""Defaults of a database that no engine could work with, if it worked with them."""
VALUES = text(
    r"SELECT now(), interval '1 day 2 hours', decode('00ff', 'hex'), 0.1::float8, '\\', 'Zoë 🎬', "
    "current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
    "current_setting('synchronous_commit')"
)


@pytest.fixture(params=["repeatable read", "serializable"])
def hostile(
    database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A database whose own defaults are others than the engine needs."""
    monkeypatch.setattr(sessions, "FORGETFUL", "off")  # which this suite forgoes elsewhere
    with fresh_database(database_url) as url:
        name = url.rsplit("/", 1)[1]
        plain = url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            for setting, value in (
                HOSTILE | {"default_transaction_isolation": request.param}
            ).items():
                connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
        migrate(url)
        database = Database(url, pool_size=SIBLINGS)
        yield database
        database.close()


def test_defaults_of_the_database_change_nothing(hostile: Database) -> None:
    def examine(database: Database) -> None:
        for opened in (database.begin, database.once):
            with opened() as connection:
                check_values(connection.execute(VALUES).one())

    examine(hostile)
    with open_patient_connection(hostile) as connection:
        check_values(connection.execute(VALUES).one())
    with open_connection(hostile.url) as listening:
        check_values(listening.execute(VALUES.text).fetchone())


@needs_pgbouncer
def test_defaults_of_the_database_change_nothing_behind_a_pooler(
    hostile: Database, tmp_path: Path
) -> None:
    with running_pooler(tmp_path / "pool", hostile.url) as pooler:
        pooled = Database(pooler.url, direct_url=hostile.url)
        for opened in (pooled.begin, pooled.once):
            with opened() as connection:
                check_values(connection.execute(VALUES).one())
        pooled.close()


def check_values(found: object) -> None:
    now, day, data, tenth, backslash, name, isolation, read_only, commits = tuple(found)  # type: ignore[var-annotated,arg-type]
    assert abs(now - datetime.now(UTC)) < timedelta(hours=1)
    assert now.utcoffset() == timedelta(0)
    assert day == timedelta(days=1, hours=2)
    assert (data, tenth, backslash, name) == (b"\x00\xff", 0.1, r"\\", "Zoë 🎬")
    assert (isolation, read_only, commits) == ("read committed", "off", "on")


def test_every_setting_holds_in_a_session(hostile: Database) -> None:
    with hostile.begin() as connection:
        found = {
            name: connection.execute(
                text("SELECT current_setting(:name, true)"), {"name": name}
            ).scalar_one()
            for name in SETTINGS
        }
    assert {name: found[name] for name in SETTINGS if found[name] is not None} == {
        **{name: value for name, value in SETTINGS.items() if found[name] is not None},
        "timezone": "UTC",
        "lock_timeout": "2s",
        "statement_timeout": "1min",
    }


def test_a_choice_of_the_operators_is_kept(database: Database) -> None:
    """Which standbys a commit waits for is theirs to decide."""
    for chosen in ("local", "remote_apply"):
        with fresh_database(database.url) as url:
            name = url.rsplit("/", 1)[1]
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {chosen}")
            own = Database(url)
            with own.once() as asked:
                assert asked.execute(text("SHOW synchronous_commit")).scalar_one() == chosen
            own.close()


def test_fan_in_of_siblings_that_end_at_once_completes(hostile: Database) -> None:
    """Each saw only itself done, or failed with a serialization error, and the job never ended."""
    parts = [make_step(f"part{number}") for number in range(SIBLINGS)]
    last = make_step("last", *(f"part{number}" for number in range(SIBLINGS)))
    job = rows.accept(hostile, [*parts, last])
    claimed = [rows.start(hostile, job, f"part{number}") for number in range(SIBLINGS)]
    with ThreadPoolExecutor(SIBLINGS) as threads:
        list(threads.map(lambda run: rows.succeed(hostile, run), claimed))
    rows.succeed(hostile, rows.start(hostile, job, "last"))
    assert rows.get_job(hostile, job).state is JobState.COMPLETED


def test_environment_of_libpq_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "FORGETFUL", "off")
    monkeypatch.setenv(
        "PGOPTIONS", "-c default_transaction_isolation=serializable -c lock_timeout=0"
    )
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("PGCLIENTENCODING", "latin1")
    own = Database(database.url)
    with own.begin() as connection:
        check_values(connection.execute(VALUES).one())
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "2s"
    own.close()
