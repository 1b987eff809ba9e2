"""An index is built by one worker at a time, and for as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    register,
    tell,
    without_models,
)
from tests.waiting import wait_until

from cinemill.storage import database as database_module
from cinemill.storage.database import Database
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState

_WAITING = text(
    """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'
    """
)


@pytest.fixture
def model(database: Database) -> Iterator[EmbeddingModel]:
    with without_models(database):
        register(database, "film")
        tell(database, "film", [f"passage number {number}" for number in range(10)])
        filled = begin_model(database)
        fill(database, filled)
        yield filled


@contextmanager
def write_to(database: Database, model: EmbeddingModel) -> Iterator[None]:
    """Keep a transaction open that writes to the model's vectors: a build waits for its end."""
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(f"LOCK TABLE {model.partition} IN ROW EXCLUSIVE MODE")
        yield


def read_index(database: Database, model: EmbeddingModel) -> tuple[int, bool] | None:
    """Return the index's id and whether it is valid."""
    query = text(
        "SELECT CAST(indexrelid AS bigint), indisvalid FROM pg_index "
        "WHERE indexrelid = to_regclass(:name)"
    )
    with database.begin() as connection:
        row = connection.execute(query, {"name": model.index}).first()
    return None if row is None else (row[0], row[1])


def is_waiting(database: Database, build: Future[None]) -> bool:
    """Whether the build waits for transactions that write to its table; or else it has ended."""
    with database.begin() as connection:
        return build.done() or connection.execute(_WAITING).scalar_one() > 0


def test_second_worker_waits_for_the_index_that_the_first_is_building(
    database: Database, model: EmbeddingModel
) -> None:
    asked: list[None] = []
    with ThreadPoolExecutor(2) as threads:
        with write_to(database, model):
            first = threads.submit(models.build_index, database, model)
            wait_until(lambda: is_waiting(database, first))
            begun = read_index(database, model)
            second = threads.submit(
                models.build_index, database, model, on_wait=lambda: asked.append(None)
            )
            wait_until(lambda: second.done() or bool(asked))
        first.result()
        second.result()
    assert begun is not None
    assert read_index(database, model) == (begun[0], True)  # the first one's: it was not dropped
    assert activate(database, model).state is ModelState.ACTIVE


def test_worker_that_waits_for_another_can_be_stopped(
    database: Database, model: EmbeddingModel
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as threads:
        with write_to(database, model):
            build = threads.submit(models.build_index, database, model)
            wait_until(lambda: is_waiting(database, build))
            with pytest.raises(KeyboardInterrupt):
                models.build_index(database, model, on_wait=stop)
        build.result()


def test_build_waits_for_an_old_transaction_as_long_as_it_takes(
    database: Database, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = database_module._SOCKET_OPTIONS
    hasty = f"{options['options']} -c lock_timeout=1"  # milliseconds, in place of 2,000
    monkeypatch.setitem(options, "options", hasty)
    with ThreadPoolExecutor(1) as threads:
        with write_to(database, model):
            build = threads.submit(models.build_index, database, model)
            wait_until(lambda: is_waiting(database, build))
        build.result()
    built = read_index(database, model)
    assert built is not None
    assert built[1]
