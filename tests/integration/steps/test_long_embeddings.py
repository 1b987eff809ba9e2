"""Embedding a library and indexing it take as long as they take: no limit of an attempt ends them.

Through a runner with the limits of a worker, here of four seconds without progress.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from numpy.typing import ArrayLike
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests.integration.jobs.bench import Bench
from tests.integration.jobs.engine import CATALOG
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import (
    begin_model,
    fill,
    make_vector,
    read_index,
    register,
    tell,
    without_models,
    write_to,
)
from tests.waiting import wait_until

from cinemill.capabilities.embeddings import filling, handlers
from cinemill.capabilities.embeddings.filling import Filling
from cinemill.capabilities.embeddings.handlers import index_embeddings
from cinemill.core.job import Job, JobState, RunState
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState, get_model
from cinemill.storage.retrieval.vectors import PassageText

PASSAGES = 12
BATCH_SIZE = 2
KIND = "hanging_work"
LONGER_THAN_THE_STALL_LIMIT_SECONDS = 2 * (CATALOG.steps[KIND].stall_seconds or 0)


@pytest.fixture
def bench(resources: StepResources, tmp_path: Path) -> Bench:
    database = resources.database
    service = JobService(database, catalog=CATALOG)
    return Bench(database, service, resources.events, tmp_path / "bench")


@pytest.fixture
def model(resources: StepResources) -> Iterator[EmbeddingModel]:
    """Return a model that has no vectors yet of the library's passages."""
    database = resources.database
    with without_models(database):
        register(database, "film")
        tell(database, "film", [f"passage number {number}" for number in range(PASSAGES)])
        yield begin_model(database)


def embed(passages: Sequence[PassageText]) -> list[ArrayLike]:
    return [make_vector(one.text) for one in passages]


def fill_library(model: EmbeddingModel, database: Database, context: StepContext) -> StepOutcome:
    step = Filling(database, context, "Embedding passage", BATCH_SIZE)
    return StepOutcome({"count": step.fill_library(model, embed)})


@contextmanager
def held_for_long(open_hold: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Hold what the work needs for longer than an attempt may be without progress."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with open_hold():
            is_held.set()
            is_over.wait(LONGER_THAN_THE_STALL_LIMIT_SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        wait_until(is_held.is_set)
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def fill_elsewhere(database: Database, model: EmbeddingModel) -> Iterator[None]:
    """Embed the library, as an ingestion does for a few minutes."""
    with open_patient_connection(database) as connection:
        assert try_lock_model(connection, ModelWork.FILL, model.id)
        yield


def find_state(database: Database, model: EmbeddingModel) -> ModelState:
    with database.begin() as connection:
        return get_model(connection, model.id).state


def is_built(database: Database, model: EmbeddingModel) -> bool:
    index = read_index(database, model)
    return index is not None and index[1]


def count_failures(bench: Bench, job: Job) -> int:
    return rows.get_steps(bench.database, job)["work"].failures


def test_build_that_waits_for_a_transaction_is_no_stalled_work(
    bench: Bench, resources: StepResources, model: EmbeddingModel
) -> None:
    database = resources.database
    fill(database, model)

    def handle(context: StepContext) -> StepOutcome:
        outcome = index_embeddings(resources, context)
        if (stop := context.should_stop()) is not None:  # its process would soon be killed
            raise stop
        return outcome

    job = bench.submit(handle, KIND)
    with held_for_long(partial(write_to, database, model)):
        state = bench.execute(job)
    assert (state, bench.failure_code(job)) == (RunState.SUCCEEDED, None)
    assert find_state(database, model) is ModelState.ACTIVE


def test_long_build_leaves_its_slot_to_others_and_goes_on(
    bench: Bench,
    resources: StepResources,
    model: EmbeddingModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "SECONDS_TO_WATCH", 0)
    database = resources.database
    fill(database, model)
    job = bench.submit(partial(index_embeddings, resources), KIND)
    with write_to(database, model):
        for _ in range(5):  # more often than it may fail
            assert bench.execute(job) is RunState.RETURNED
        assert f"index of {model.name}" in bench.job(job).message
        assert 0 < bench.seconds_until_due(job) <= handlers.LOOK_AGAIN_SECONDS
    wait_until(lambda: is_built(database, model))
    assert count_failures(bench, job) == 0
    assert bench.execute(job) is RunState.SUCCEEDED
    assert find_state(database, model) is ModelState.ACTIVE


def test_cancel_ends_the_wait_for_a_build(
    bench: Bench, resources: StepResources, model: EmbeddingModel
) -> None:
    database = resources.database
    fill(database, model)

    def handle(context: StepContext) -> StepOutcome:
        bench.service.cancel_job(context.run.job_id)
        return index_embeddings(resources, context)

    with write_to(database, model):
        assert bench.execute(bench.submit(handle, KIND)) is RunState.CANCELLED
    wait_until(lambda: is_built(database, model))


def test_job_for_all_videos_that_waits_for_its_turn_is_no_stalled_work(
    bench: Bench, resources: StepResources, model: EmbeddingModel
) -> None:
    database = resources.database
    job = bench.submit(partial(fill_library, model, database), KIND)
    with held_for_long(partial(fill_elsewhere, database, model)):
        state = bench.execute(job)
    assert (state, bench.failure_code(job)) == (RunState.SUCCEEDED, None)


def test_job_for_all_videos_does_not_wait_for_its_turn_forever(
    bench: Bench, resources: StepResources, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SECONDS_TO_WAIT", 0)
    database = resources.database
    job = bench.submit(partial(fill_library, model, database), KIND)
    with fill_elsewhere(database, model):
        assert bench.execute(job) is RunState.RETURNED
    assert count_failures(bench, job) == 0
    assert bench.execute(job) is RunState.SUCCEEDED


def test_library_of_any_size_is_embedded_in_turns(
    bench: Bench, resources: StepResources, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SECONDS_AT_ONCE", 0)  # a batch, and it hands back
    job = bench.submit(partial(fill_library, model, resources.database), KIND)
    states = [bench.execute(job) for _ in range(PASSAGES // BATCH_SIZE)]
    assert states == [RunState.RETURNED] * (len(states) - 1) + [RunState.SUCCEEDED]
    assert count_failures(bench, job) == 0
    assert bench.job(job).state is JobState.COMPLETED


def test_library_that_has_all_vectors_is_not_looked_through(
    bench: Bench, resources: StepResources, model: EmbeddingModel
) -> None:
    database = resources.database
    fill(database, model)
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    def fill_both(context: StepContext) -> StepOutcome:
        step = Filling(database, context, "Embedding passage", BATCH_SIZE)
        counts = step.fill_others(model, embed), step.fill_library(model, embed)
        return StepOutcome({"count": sum(counts)})

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert bench.execute(bench.submit(fill_both, KIND)) is RunState.SUCCEEDED
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert any("count(*)" in one for one in statements)
    assert not [one for one in statements if "SELECT id, asset_id, text" in one]
