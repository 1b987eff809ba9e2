"""An index is built by one worker at a time, and for as long as it takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    read_index,
    register,
    tell,
    without_models,
    write_to,
)
from tests.waiting import wait_until

from cinemill.storage import sessions
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.retrieval import index_builds, models
from cinemill.storage.retrieval.index_builds import IndexBuild
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
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
    monkeypatch.setitem(sessions.SETTINGS, "lock_timeout", "1ms")  # in place of 2 s
    with ThreadPoolExecutor(1) as threads:
        with write_to(database, model):
            build = threads.submit(models.build_index, database, model)
            wait_until(lambda: is_waiting(database, build))
        build.result()
    built = read_index(database, model)
    assert built is not None
    assert built[1]


def is_built(database: Database, model: EmbeddingModel) -> bool:
    index = read_index(database, model)
    return index is not None and index[1]


def test_who_waits_sees_how_far_a_build_is(database: Database, model: EmbeddingModel) -> None:
    seen: list[IndexBuild] = []
    with ThreadPoolExecutor(1) as threads:
        with write_to(database, model):
            watched = threads.submit(index_builds.await_index, database, model, on_wait=seen.append)
            wait_until(lambda: watched.done() or any(one.is_held_up for one in seen))
        watched.result()
    held_up = next(one for one in seen if one.is_held_up)
    assert held_up.phase == "waiting for writers before build"
    assert held_up.share == 0
    assert is_built(database, model)


def test_build_goes_on_where_nobody_waits_for_it_any_longer(
    database: Database, model: EmbeddingModel
) -> None:
    def leave(build: IndexBuild) -> None:
        if build.is_held_up:
            raise KeyboardInterrupt

    with write_to(database, model):
        with pytest.raises(KeyboardInterrupt):
            index_builds.await_index(database, model, on_wait=leave)
        begun = read_index(database, model)
    wait_until(lambda: is_built(database, model))
    index_builds.await_index(database, model, on_wait=lambda _build: None)
    assert begun is not None
    assert read_index(database, model) == (begun[0], True)  # it was not built again


def test_nobody_builds_after_waiting_in_vain_for_another(
    database: Database, model: EmbeddingModel
) -> None:
    """A thread that was left while it waited would build at a moment that nobody expects."""

    def leave(_build: IndexBuild) -> None:
        raise KeyboardInterrupt

    with open_patient_connection(database) as other:
        assert try_lock_model(other, ModelWork.INDEX, model.id)
        with pytest.raises(KeyboardInterrupt):
            index_builds.await_index(database, model, on_wait=leave)
        wait_until(lambda: "index build" not in {one.name for one in threading.enumerate()})
    assert read_index(database, model) is None


def test_what_ends_a_build_is_raised_where_it_is_waited_for(
    database: Database, model: EmbeddingModel
) -> None:
    lost = replace(model, id=model.id + 1)
    with pytest.raises(ProgrammingError, match="does not exist"):
        index_builds.await_index(database, lost, on_wait=lambda _build: None)


def test_index_fits_into_the_memory_that_it_is_given(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is added to the index on the disk, which takes many times as long."""
    monkeypatch.setattr(models, "LEAST_BUILD_MB", 1)
    with without_models(database), caplog.at_level(logging.INFO, "sqlalchemy.dialects.postgresql"):
        register(database, "film")
        tell(database, "film", [f"passage number {number}" for number in range(3000)])
        large = begin_model(database, dimension=384)
        fill(database, large, batch_size=1000)
        models.build_index(database, large)
        assert "no longer fits" not in caplog.text
        monkeypatch.setattr(models, "NODE_BYTES", 0)
        models.build_index(database, drop_index(database, large))
    assert "no longer fits" in caplog.text


def drop_index(database: Database, model: EmbeddingModel) -> EmbeddingModel:
    with open_patient_connection(database) as connection:
        connection.exec_driver_sql(f"DROP INDEX {model.index}")
    return model
