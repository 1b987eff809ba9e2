"""PgBouncer between Cinemill and PostgreSQL: each mode of its pools works or is refused by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.conftest import fresh_database
from tests.integration.storage import rows
from tests.integration.storage.rows import FAN_IN
from tests.poolers import Pooler, running_pooler
from tests.waiting import wait_until

from cinemill.core.job import JobState
from cinemill.errors import DatabasePooled, DatabaseUnavailable, LockTimeout
from cinemill.storage import sessions
from cinemill.storage.database import (
    Database,
    check_route,
    migrate,
    open_connection,
    open_patient_connection,
)
from cinemill.storage.jobs.channels import READY_CHANNEL, notify
from cinemill.storage.notifications import Listener
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model

pytestmark = pytest.mark.pooler
JOBS = 40


@pytest.fixture
def pooler(database: Database, tmp_path: Path) -> Iterator[Pooler]:
    """In transaction mode, with few connections."""
    with running_pooler(tmp_path / "pool", database.url, size=3) as running:
        yield running


@pytest.fixture
def pooled(pooler: Pooler, database: Database) -> Iterator[Database]:
    pooled = Database(pooler.url, direct_url=database.url, pool_size=20)
    yield pooled
    pooled.close()


def test_jobs_go_through_more_clients_than_the_pool_has_connections(pooled: Database) -> None:
    check_route(pooled)

    def run(_: int) -> JobState:
        job = rows.accept(pooled, FAN_IN)
        for name in ("a", "b", "c", "join"):
            rows.succeed(pooled, rows.start(pooled, job, name))
        return rows.get_job(pooled, job).state

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(run, range(JOBS))) == {JobState.COMPLETED}


def test_repeated_statements_are_not_prepared(pooled: Database) -> None:
    """A statement that one server has prepared is missing on the next: 5 of 80 attempts failed."""

    def ask(_: int) -> int:
        with pooled.begin() as connection:
            return int(connection.execute(text("SELECT :n + 1"), {"n": 1}).scalar_one())

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(400))) == {2}
    with pooled.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar() == 0


def test_settings_of_transactions_do_not_reach_other_clients(
    pooled: Database, pooler: Pooler, database: Database
) -> None:
    with pooled.begin() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "2s"
    with pytest.raises(DatabasePooled):
        Database(pooler.url).ping()
    stranger = Database(pooler.url, direct_url=database.url)
    with stranger._engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.rollback()
        assert raw.execute("SHOW lock_timeout").fetchone() == ("0",)
        assert raw.execute("SHOW jit").fetchone() != ("2s",)
    stranger.close()


def test_locks_time_out_and_failed_transactions_leave_nothing(pooled: Database) -> None:
    job = rows.accept(pooled)
    with (
        rows.locked(pooled, "SELECT 1 FROM job WHERE id = :id FOR UPDATE", id=job.id),
        pytest.raises(LockTimeout),
    ):
        rows.change(pooled, "UPDATE job SET priority = 1 WHERE id = :id", id=job.id)
    with pytest.raises(ZeroDivisionError), pooled.begin() as connection:
        connection.execute(text("DELETE FROM job"))
        raise ZeroDivisionError
    assert rows.get_job(pooled, job) == job


def test_a_session_goes_to_the_direct_address(pooled: Database, database: Database) -> None:
    listener = Listener(pooled.direct_url, [READY_CHANNEL])
    listener.wait(0.0)
    with pooled.begin() as connection:
        notify(connection, READY_CHANNEL, "queue")
    assert listener.wait(30.0) == [(READY_CHANNEL, "queue")]
    listener.close()
    with open_patient_connection(pooled) as first:
        assert try_lock_model(first, ModelWork.FILL, 1)
        with open_patient_connection(pooled) as second:
            assert not try_lock_model(second, ModelWork.FILL, 1)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_no_setting_names_is_refused(
    database: Database, tmp_path: Path, mode: str
) -> None:
    with running_pooler(tmp_path / "pool", database.url, mode=mode) as pooler:
        for refused in (
            lambda: check_route(Database(pooler.url)),
            lambda: Database(pooler.url).ping(),
            lambda: migrate(pooler.url),
            lambda: open_connection(pooler.url),
            lambda: Listener(pooler.url, [READY_CHANNEL]).wait(0.0),
            lambda: check_route(Database(database.url, direct_url=pooler.url)),
        ):
            with pytest.raises(DatabasePooled, match=f"{mode} mode") as found:
                refused()
            assert "DATABASE_DIRECT_URL" in found.value.hint


def test_statement_mode_is_refused_with_a_direct_address_too(
    database: Database, tmp_path: Path
) -> None:
    with (
        running_pooler(tmp_path / "pool", database.url, mode="statement") as pooler,
        pytest.raises(DatabasePooled, match="statement mode"),
    ):
        check_route(Database(pooler.url, direct_url=database.url))


def test_transaction_mode_is_found_where_other_clients_use_the_pool(
    pooler: Pooler, database: Database
) -> None:
    others = Database(pooler.url, direct_url=database.url)
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            others.ping()

    with ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(keep_asking) for _ in range(2)]
        try:
            for _ in range(10):
                with pytest.raises(DatabasePooled):
                    Database(pooler.url).ping()
        finally:
            stop.set()
        for one in busy:
            one.result()
    others.close()


def test_round_robin_hides_nothing(database: Database, tmp_path: Path) -> None:
    with (
        running_pooler(
            tmp_path / "pool", database.url, server_round_robin="1", min_pool_size="4"
        ) as pooler,
        pytest.raises(DatabasePooled),
    ):
        Database(pooler.url).ping()


def test_session_mode_needs_no_setting(database_url: str, tmp_path: Path) -> None:
    with (
        fresh_database(database_url) as url,
        running_pooler(tmp_path / "pool", url, mode="session") as pooler,
    ):
        migrate(pooler.url)
        own = Database(pooler.url)
        check_route(own)
        job = rows.accept(own)
        rows.succeed(own, rows.start(own, job))
        assert rows.get_job(own, job).state is JobState.COMPLETED
        listener = Listener(pooler.url, [READY_CHANNEL])
        listener.wait(0.0)
        with own.begin() as connection:
            notify(connection, READY_CHANNEL, "queue")
        assert listener.wait(30.0) == [(READY_CHANNEL, "queue")]
        listener.close()
        own.close()


def test_two_databases_under_two_addresses_are_refused(
    pooler: Pooler, database: Database, database_url: str
) -> None:
    with fresh_database(database_url) as other:
        mixed = Database(pooler.url, direct_url=other)
        with pytest.raises(DatabasePooled, match="different databases"):
            check_route(mixed)
        mixed.close()


def test_wrong_password_is_a_sentence(pooler: Pooler, database: Database) -> None:
    wrong = pooler.url.replace("@127", "wrong@127")
    with pytest.raises(DatabaseUnavailable, match=r"password|SASL|auth"):
        Database(wrong, direct_url=database.url).ping()


def test_an_exhausted_pool_is_a_passing_fault(database: Database, tmp_path: Path) -> None:
    with running_pooler(tmp_path / "pool", database.url, size=1, query_wait_timeout="1") as pooler:
        pooled = Database(pooler.url, direct_url=database.url)
        with pooled.begin() as first:
            first.execute(text("SELECT 1"))
            with pytest.raises(DatabaseUnavailable):
                pooled.ping()
        pooled.ping()
        pooled.close()


def test_a_killed_pooler_is_a_passing_fault(pooled: Database, pooler: Pooler) -> None:
    pooled.ping()
    pooler.kill()
    with pytest.raises(DatabaseUnavailable):
        pooled.ping()
    with pytest.raises(DatabaseUnavailable), pooled.begin() as connection:
        connection.execute(text("SELECT 1"))
    pooler.start()
    pooled.ping()


def test_a_frozen_pooler_is_given_up_and_used_again(
    pooled: Database, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled.ping()
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 1.0)
    pooler.freeze()
    try:
        with pytest.raises(DatabaseUnavailable):
            pooled.ping()
    finally:
        pooler.thaw()
    monkeypatch.undo()
    wait_until(lambda: responds(pooled))


def responds(database: Database) -> bool:
    try:
        database.ping()
    except DatabaseUnavailable:
        time.sleep(0.1)
        return False
    return True
