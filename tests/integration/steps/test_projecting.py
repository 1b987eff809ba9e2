"""Steps that bring vectors to Qdrant, in turns, whatever is away or killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.steps.conftest import make_run
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    register,
    tell,
    without_models,
)
from tests.integration.storage.rows import change
from tests.qdrant_servers import NO_INDEXES, open_closed, open_local

from cinemill.capabilities.embeddings import projection_handler
from cinemill.capabilities.embeddings.handlers import index_embeddings
from cinemill.capabilities.embeddings.projection_handler import (
    ProjectionUnequal,
    QdrantUnset,
    project_embeddings,
    rebuild_projection,
)
from cinemill.capabilities.operations.health import check_all
from cinemill.errors import InputRejected, JobCancelled, Postponed
from cinemill.jobs.runs.failures import describe_failure
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources
from cinemill.storage.database import open_patient_connection
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.projection import filling
from cinemill.storage.projection.pages import read_page
from cinemill.storage.projection.rows import (
    BEFORE_ALL,
    Projection,
    find_ready,
    list_projections,
    list_unused,
)
from cinemill.storage.projection.server import QdrantServer, QdrantUnavailable
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
from cinemill.storage.retrieval.models import EmbeddingModel, find_active_model

pytestmark = pytest.mark.filterwarnings(NO_INDEXES)

TEXTS = [f"passage number {number}" for number in range(10)]


@pytest.fixture
def model(resources: StepResources) -> Iterator[EmbeddingModel]:
    with without_models(resources.database):
        register(resources.database, "film")
        tell(resources.database, "film", TEXTS)
        begun = begin_model(resources.database)
        fill(resources.database, begun)
        yield activate(resources.database, begun)
    change(resources.database, "DELETE FROM vector_projection")


@pytest.fixture
def with_qdrant(resources: StepResources, model: EmbeddingModel) -> StepResources:
    return replace(resources, qdrant=open_local())


def open_context(
    folder: Path,
    job_id: str = "job",
    *,
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> StepContext:
    run = make_run("project_embeddings", job_id=job_id)
    return StepContext(run, folder, lambda *_: None, should_stop, memory_bytes=1 << 30)


def get_server(resources: StepResources) -> QdrantServer:
    assert resources.qdrant is not None
    return resources.qdrant


def get_ready(resources: StepResources) -> Projection | None:
    with resources.database.begin() as connection:
        model = find_active_model(connection, "text")
        assert model is not None
        return find_ready(connection, model.id)


def count_points(resources: StepResources) -> int:
    ready = get_ready(resources)
    assert ready is not None
    return get_server(resources).count(ready.collection)


def add_video(resources: StepResources, model: EmbeddingModel) -> None:
    register(resources.database, "second")
    tell(resources.database, "second", ["said meanwhile"])
    fill(resources.database, model)


@pytest.fixture
def away(with_qdrant: StepResources) -> Iterator[StepResources]:
    """Return the same with a Qdrant that does not respond."""
    with open_closed() as gone:
        yield replace(with_qdrant, qdrant=gone)


def postpone_and_finish(
    resources: StepResources, folder: Path, method: str, found: Callable[[str], object], why: str
) -> None:
    """Check that the job waits while this method of Qdrant finds this, and finishes afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(get_server(resources), method, found)
        with pytest.raises(Postponed, match=why):
            project_embeddings(resources, open_context(folder))
    assert get_ready(resources) is None
    project_embeddings(resources, open_context(folder))
    assert count_points(resources) == len(TEXTS)


def test_nothing_is_done_without_qdrant(
    resources: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    outcome = project_embeddings(resources, open_context(tmp_path))
    assert (outcome.result["reused"], outcome.result["gap"]) == (True, "")
    assert get_ready(resources) is None
    with pytest.raises(QdrantUnset) as refused:
        rebuild_projection(resources, open_context(tmp_path))
    assert "CINEMILL_QDRANT_URL" in refused.value.hint


def test_model_in_use_is_filled_and_kept_up_to_date(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    context = open_context(tmp_path)
    assert project_embeddings(with_qdrant, context).result["count"] == len(TEXTS)
    assert count_points(with_qdrant) == len(TEXTS)
    assert project_embeddings(with_qdrant, context).result["reused"]
    add_video(with_qdrant, model)
    with with_qdrant.database.begin() as connection:
        delete_asset(connection, "film")
    assert project_embeddings(with_qdrant, context).result["count"] == len(TEXTS) + 1
    assert count_points(with_qdrant) == 1


def test_ingestion_brings_its_own_vectors(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    index_embeddings(with_qdrant, open_context(tmp_path))
    assert get_ready(with_qdrant) is None  # filling a library is left to a job of its own
    project_embeddings(with_qdrant, open_context(tmp_path))
    add_video(with_qdrant, model)
    index_embeddings(with_qdrant, open_context(tmp_path))
    assert count_points(with_qdrant) == len(TEXTS) + 1


def test_ingestion_leaves_the_rest_when_its_time_is_up(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    with with_qdrant.database.begin() as connection:
        delete_asset(connection, "film")
    monkeypatch.setattr(filling, "BATCH_SIZE", 4)
    monkeypatch.setattr(projection_handler, "SECONDS_OF_INGESTION", -1)
    index_embeddings(with_qdrant, open_context(tmp_path))
    assert count_points(with_qdrant) == len(TEXTS) - 4
    project_embeddings(with_qdrant, open_context(tmp_path))
    assert count_points(with_qdrant) == 0


def test_ingestion_does_not_fail_for_a_qdrant_that_is_away(
    with_qdrant: StepResources, away: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    add_video(with_qdrant, model)
    assert index_embeddings(away, open_context(tmp_path)).result["gap"] == ""
    outcome = project_embeddings(away, open_context(tmp_path))
    assert outcome.result["gap"] == "qdrant_unavailable"
    with pytest.raises(QdrantUnavailable):
        rebuild_projection(away, open_context(tmp_path))
    assert project_embeddings(with_qdrant, open_context(tmp_path)).result["count"] == 1
    assert count_points(with_qdrant) == len(TEXTS) + 1


def test_large_library_is_filled_in_turns_that_searches_do_not_see(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filling, "BATCH_SIZE", 4)
    monkeypatch.setattr(projection_handler, "SECONDS_AT_ONCE", -1)
    for _ in range(3):
        with pytest.raises(Postponed):
            project_embeddings(with_qdrant, open_context(tmp_path))
        assert get_ready(with_qdrant) is None
    assert project_embeddings(with_qdrant, open_context(tmp_path)).result["count"] == len(TEXTS)
    assert get_ready(with_qdrant) is not None


def test_rebuild_goes_on_where_it_was_and_drops_the_old_collection(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    old = get_ready(with_qdrant)
    assert old is not None
    monkeypatch.setattr(filling, "BATCH_SIZE", 4)
    stopping = open_context(tmp_path, "rebuild", should_stop=lambda: JobCancelled("stop"))
    with pytest.raises(JobCancelled):
        rebuild_projection(with_qdrant, stopping)
    assert get_ready(with_qdrant) == old
    with with_qdrant.database.begin() as connection:
        (_, begun) = list_projections(connection, model.id)
    context = open_context(tmp_path, "rebuild")
    assert rebuild_projection(with_qdrant, context).result["count"] == len(TEXTS)
    ready = get_ready(with_qdrant)
    assert ready is not None
    assert ready.collection == begun.collection
    assert not get_server(with_qdrant).exists(old.collection)
    # Its worker may die before the step's end is recorded: then it is run again.
    rebuild_projection(with_qdrant, context)
    assert get_ready(with_qdrant) == ready
    rebuild_projection(with_qdrant, open_context(tmp_path, "another"))
    assert get_ready(with_qdrant) != ready


def test_two_rebuilds_complete_the_same_collections(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = begin_model(with_qdrant.database, "pictures", space="picture", dimension=12)
    fill(with_qdrant.database, pictures)
    pictures = activate(with_qdrant.database, pictures)
    project_embeddings(with_qdrant, open_context(tmp_path))
    monkeypatch.setattr(filling, "BATCH_SIZE", 4)
    monkeypatch.setattr(projection_handler, "SECONDS_AT_ONCE", -1)
    begun: set[str] = set()
    # Three pages and then an empty one of each model, and each job is told that all is there.
    turns = 0
    waiting = ["first", "second"]
    while waiting:
        job_id = waiting.pop(0)
        turns += 1
        assert turns <= 10, "they give up each other's collections"
        try:
            rebuild_projection(with_qdrant, open_context(tmp_path, job_id))
        except Postponed:
            waiting.append(job_id)
        with with_qdrant.database.begin() as connection:
            for one in (model, pictures):
                begun |= {known.collection for known in list_projections(connection, one.id)}
    assert len(begun) == 4  # the old ones, and one of each model
    assert count_points(with_qdrant) == len(TEXTS)


def test_model_that_another_worker_is_at_does_not_keep_others_waiting(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    pictures = begin_model(with_qdrant.database, "pictures", space="picture", dimension=12)
    fill(with_qdrant.database, pictures)
    pictures = activate(with_qdrant.database, pictures)
    for locked, free in ((model, pictures), (pictures, model)):
        with open_patient_connection(with_qdrant.database) as connection:
            assert try_lock_model(connection, ModelWork.PROJECT, locked.id)
            with pytest.raises(Postponed, match="Another job"):
                rebuild_projection(with_qdrant, open_context(tmp_path))
        with with_qdrant.database.begin() as connection:
            assert find_ready(connection, free.id) is not None


def test_rebuild_waits_for_another_worker(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    with open_patient_connection(with_qdrant.database) as connection:
        assert try_lock_model(connection, ModelWork.PROJECT, model.id)
        with pytest.raises(Postponed):
            rebuild_projection(with_qdrant, open_context(tmp_path))
        assert project_embeddings(with_qdrant, open_context(tmp_path)).result["reused"]
        index_embeddings(with_qdrant, open_context(tmp_path))
    assert get_ready(with_qdrant) is None


def test_unequal_collection_is_not_searched(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    old = get_ready(with_qdrant)
    monkeypatch.setattr(get_server(with_qdrant), "count", lambda _collection: 3)
    with pytest.raises(ProjectionUnequal, match="10 vectors of tiny and Qdrant 3") as unequal:
        rebuild_projection(with_qdrant, open_context(tmp_path, "rebuild"))
    # So it is not retried: each attempt would copy the whole library.
    assert isinstance(unequal.value, InputRejected)
    assert not describe_failure(unequal.value).retryable
    assert get_ready(with_qdrant) == old
    # It is compared no more, and the one that is searched is kept up to date.
    assert project_embeddings(with_qdrant, open_context(tmp_path)).result["gap"] == ""


def test_another_collection_is_filled_some_hours_after_an_unequal_one(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(get_server(with_qdrant), "count", lambda _collection: 3)
        outcome = project_embeddings(with_qdrant, open_context(tmp_path))
        assert outcome.result["gap"] == "projection_unequal"
    with with_qdrant.database.begin() as connection:
        assert list_projections(connection, model.id) == []
        (failed,) = list_unused(connection)
    for _ in range(2):
        assert project_embeddings(with_qdrant, open_context(tmp_path)).result["reused"]
        assert get_ready(with_qdrant) is None
        assert not get_server(with_qdrant).exists(failed.collection)
    change(
        with_qdrant.database,
        "UPDATE vector_projection SET failed_at = failed_at - interval '7 hours'",
    )
    assert project_embeddings(with_qdrant, open_context(tmp_path)).result["count"] == len(TEXTS)
    ready = get_ready(with_qdrant)
    assert ready is not None
    assert ready.collection != failed.collection
    with with_qdrant.database.begin() as connection:
        assert list_unused(connection) == []


def test_rebuild_does_not_wait_after_an_unequal_collection(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(get_server(with_qdrant), "count", lambda _collection: 3)
        project_embeddings(with_qdrant, open_context(tmp_path))
    rebuild_projection(with_qdrant, open_context(tmp_path, "rebuild"))
    assert count_points(with_qdrant) == len(TEXTS)


def test_collection_that_is_given_up_while_it_is_compared_is_begun_again(
    with_qdrant: StepResources, tmp_path: Path
) -> None:
    def give_up(_collection: str) -> int:
        change(with_qdrant.database, "UPDATE vector_projection SET state = 'retired'")
        return len(TEXTS)

    postpone_and_finish(with_qdrant, tmp_path, "count", give_up, "given up")


def test_job_waits_until_qdrant_has_built_its_index(
    with_qdrant: StepResources, tmp_path: Path
) -> None:
    postpone_and_finish(with_qdrant, tmp_path, "is_indexing", lambda _: True, "builds its index")


def test_new_model_gets_a_collection_and_the_old_ones_is_dropped(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    old = get_ready(with_qdrant)
    assert old is not None
    new = begin_model(with_qdrant.database, "larger", dimension=12)
    fill(with_qdrant.database, new)
    index_embeddings(with_qdrant, open_context(tmp_path))
    assert get_ready(with_qdrant) is None  # PostgreSQL searches alone
    project_embeddings(with_qdrant, open_context(tmp_path))
    assert count_points(with_qdrant) == len(TEXTS)
    assert not get_server(with_qdrant).exists(old.collection)


def test_qdrant_that_lost_its_data_is_filled_again(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    empty = replace(with_qdrant, qdrant=open_local())
    assert project_embeddings(empty, open_context(tmp_path)).result["count"] == len(TEXTS)
    assert count_points(empty) == len(TEXTS)


def test_points_that_qdrant_lost_are_logged(
    with_qdrant: StepResources,
    model: EmbeddingModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    project_embeddings(with_qdrant, open_context(tmp_path))
    change(with_qdrant.database, f"ANALYZE {model.partition}")
    project_embeddings(with_qdrant, open_context(tmp_path))
    assert "has lost vectors" not in caplog.text
    ready = get_ready(with_qdrant)
    assert ready is not None
    with with_qdrant.database.begin() as connection:
        points = read_page(connection, model, after=BEFORE_ALL, limit=5)
    get_server(with_qdrant).delete(ready.collection, [one.passage_id for one in points])
    assert project_embeddings(with_qdrant, open_context(tmp_path)).result["reused"]
    assert "has lost vectors" in caplog.text


def test_health_check_names_qdrant_where_it_is_set_up(
    with_qdrant: StepResources, away: StepResources
) -> None:
    assert "qdrant" not in check_all(replace(with_qdrant, qdrant=None))["checks"]
    assert check_all(with_qdrant)["checks"]["qdrant"]["healthy"]
    found = check_all(away)["checks"]["qdrant"]
    assert not found["healthy"]
    assert "CINEMILL_QDRANT_URL" in found["message"]


def test_vectors_of_pictures_are_projected_too(
    with_qdrant: StepResources, model: EmbeddingModel, tmp_path: Path
) -> None:
    pictures = begin_model(with_qdrant.database, "pictures", space="picture", dimension=12)
    fill(with_qdrant.database, pictures)
    pictures = activate(with_qdrant.database, pictures)
    project_embeddings(with_qdrant, open_context(tmp_path))
    with with_qdrant.database.begin() as connection:
        ready = find_ready(connection, pictures.id)
    assert ready is not None
    assert get_server(with_qdrant).count(ready.collection) == len(TEXTS)
