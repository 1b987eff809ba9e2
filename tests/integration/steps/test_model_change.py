"""While a model takes the place of another, every video is found, and none pays for the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from tests.integration.steps.conftest import make_run
from tests.integration.storage.intelligence_rows import begin_model, register, tell, without_models
from tests.model_files import link_models
from tests.onnx_files import write_mean_model

from cinemill.capabilities.embeddings import filling
from cinemill.capabilities.embeddings.handlers import generate_text_embeddings, index_embeddings
from cinemill.capabilities.embeddings.moment_handler import generate_multimodal_embeddings
from cinemill.capabilities.embeddings.picture_handler import BATCH_SIZE, generate_visual_embeddings
from cinemill.core.frames import Frame
from cinemill.core.media import ArtifactKind
from cinemill.core.parameter_reader import read_parameters
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.errors import JobCancelled
from cinemill.inference.models.user_cards import UserCard, add_model
from cinemill.inference.text.onnx_embedder import find_text_card
from cinemill.jobs.step import StepContext
from cinemill.steps.ingestion.keyframe_pictures import store_pictures
from cinemill.steps.resources import StepResources
from cinemill.storage.database import open_patient_connection
from cinemill.storage.media.assets import replace_artifacts
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState
from cinemill.storage.retrieval.passages import save_passages

OLD, NEW = "mean-color", "mean-color-again"
MANY = BATCH_SIZE + 6


@pytest.fixture
def library(resources: StepResources, tmp_path: Path) -> Iterator[StepResources]:
    """Return resources with two models of pictures, and a library that the old one knows."""
    for name in (OLD, NEW):
        card = {
            "schema": 1,
            "name": name,
            "role": "image-embedding",
            "licence": "CC0-1.0",
            "input": {"width": 32, "height": 32, "mean": [0, 0, 0], "std": [255, 255, 255]},
            "outputs": [{"dimension": 3}],
        }
        file = write_mean_model(tmp_path / f"{name}.onnx")
        add_model(read_parameters(UserCard, card), file, resources.models_dir, taken=())
    with without_models(resources.database):
        old = replace(resources, picture_model=OLD)
        show(old, "first", MANY)
        generate_visual_embeddings(old, open_context(tmp_path, "first"))
        index_embeddings(old, open_context(tmp_path, "first"))
        yield old


def open_context(
    folder: Path,
    asset_id: str | None,
    *,
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> StepContext:
    """Return the context of an ingestion of a video; without one, of a job for all of them."""
    job_params = {} if asset_id is None else {"profile": "full"}
    run = make_run("generate_visual_embeddings", asset_id=asset_id, job_params=job_params)
    return StepContext(run, folder, lambda *_: None, should_stop, memory_bytes=1 << 30)


def show(resources: StepResources, asset_id: str, pictures: int) -> None:
    """Store a video with so many key frames."""
    register(resources.database, asset_id)
    color = len(asset_id)
    frames = [
        Frame(at, at * 1000, np.full((32, 32, 3), (at, color, 255 - at), np.uint8))
        for at in range(pictures)
    ]
    stored = store_pictures(resources.files, iter(frames), stem=asset_id)
    passages = [
        Passage(at, PassageTrack.KEYFRAME, at * 1000, at * 1000 + 1000, "", frame_ms=at * 1000)
        for at in range(pictures)
    ]
    with resources.database.begin() as connection:
        replace_artifacts(connection, asset_id, "key", ArtifactKind.KEYFRAME, stored)
        save_passages(connection, asset_id, PassageTrack.KEYFRAME, passages)


def get_model(resources: StepResources, name: str) -> EmbeddingModel:
    with resources.database.begin() as connection:
        return next(one for one in models.list_models(connection) if one.name == name)


def count_missing(resources: StepResources, name: str, asset_id: str | None = None) -> int:
    model = get_model(resources, name)
    with resources.database.begin() as connection:
        return models.count_missing(connection, model, asset_id=asset_id)


def test_new_video_is_embedded_with_the_model_in_use_and_with_the_new_one(
    library: StepResources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SECONDS_FOR_OTHERS", 0)
    show(library, "second", 3)
    changed = replace(library, picture_model=NEW)
    outcome = generate_visual_embeddings(changed, open_context(tmp_path, "second"))
    assert count_missing(library, OLD) == 0
    assert count_missing(library, NEW, "second") == 0
    # Of the library it embedded one batch, and left the rest to the next video.
    assert outcome.result["count"] == 2 * 3 + BATCH_SIZE
    assert count_missing(library, NEW) == MANY - BATCH_SIZE
    assert index_embeddings(changed, open_context(tmp_path, "second")).result["count"] == 0
    assert get_model(library, OLD).state is ModelState.ACTIVE


def test_videos_together_complete_the_new_model(
    library: StepResources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SECONDS_FOR_OTHERS", 0)
    changed = replace(library, picture_model=NEW)
    for asset_id in ("second", "third"):
        show(library, asset_id, 3)
        generate_visual_embeddings(changed, open_context(tmp_path, asset_id))
    assert index_embeddings(changed, open_context(tmp_path, "third")).result["count"] == 1
    assert get_model(library, NEW).state is ModelState.ACTIVE


def test_video_is_not_failed_by_a_model_in_use_that_is_not_here(
    library: StepResources, tmp_path: Path
) -> None:
    with library.database.begin() as connection:
        connection.execute(text("UPDATE embedding_model SET name = 'gone'"))
    show(library, "second", 3)
    changed = replace(library, picture_model=NEW)
    outcome = generate_visual_embeddings(changed, open_context(tmp_path, "second"))
    assert outcome.result["gap"] == ""
    assert count_missing(library, NEW) == 0
    assert count_missing(library, "gone", "second") == 3


def test_library_is_embedded_by_one_worker_at_a_time(
    library: StepResources, tmp_path: Path
) -> None:
    changed = replace(library, picture_model=NEW)
    show(library, "second", 3)
    show(library, "third", 3)
    generate_visual_embeddings(changed, open_context(tmp_path, "second"))
    show(library, "fourth", 3)
    model = get_model(library, NEW)
    with open_patient_connection(library.database) as other:
        assert try_lock_model(other, ModelWork.FILL, model.id)
        show(library, "fifth", 3)
        outcome = generate_visual_embeddings(changed, open_context(tmp_path, "fifth"))
        assert outcome.result["count"] == 2 * 3
        assert count_missing(library, NEW) == 3  # of the fourth, which the other worker embeds
        stopped = open_context(tmp_path, None, should_stop=lambda: JobCancelled("stop"))
        with pytest.raises(JobCancelled):  # a job for the library waits for its turn
            generate_visual_embeddings(changed, stopped)
    everything = generate_visual_embeddings(changed, open_context(tmp_path, None))
    assert everything.result["count"] == 3


def test_ingestion_reads_no_other_video_once_the_model_is_in_use(
    library: StepResources, tmp_path: Path
) -> None:
    """Each video would cost as much as there are videos."""
    show(library, "second", 3)
    show(library, "third", 3)
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        outcome = generate_visual_embeddings(library, open_context(tmp_path, "second"))
        index_embeddings(library, open_context(tmp_path, "second"))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert outcome.result["count"] == 3
    assert count_missing(library, OLD, "third") == 3
    scans = [one for one in statements if "NOT EXISTS" in one]
    assert scans
    assert all("asset_id = " in one for one in scans)


def test_moments_of_a_new_video_are_fused_by_the_models_in_use_and_by_the_new_ones(
    library: StepResources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SECONDS_FOR_OTHERS", 0)
    use_text_model(library)
    generate_multimodal_embeddings(library, open_context(tmp_path, "first"))
    index_embeddings(library, open_context(tmp_path, "first"))
    old, new = (f"{library.text_model}+{name}" for name in (OLD, NEW))
    assert get_model(library, old).state is ModelState.ACTIVE

    show(library, "second", 3)
    changed = replace(library, picture_model=NEW)
    generate_visual_embeddings(changed, open_context(tmp_path, "second"))
    outcome = generate_multimodal_embeddings(changed, open_context(tmp_path, "second"))
    assert outcome.result["count"] == 2 * 3  # others wait for their pictures
    assert count_missing(library, old) == count_missing(library, new, "second") == 0
    assert count_missing(library, new) == MANY

    everything = open_context(tmp_path, None)
    generate_visual_embeddings(changed, everything)
    assert generate_multimodal_embeddings(changed, everything).result["count"] == MANY
    assert index_embeddings(changed, everything).result["count"] == 2
    assert get_model(library, new).state is ModelState.ACTIVE


def use_text_model(resources: StepResources) -> None:
    """Register the text model that is set as the one in use; there are no texts in the library."""
    card = find_text_card(resources.text_model, resources.models_dir)
    with resources.database.begin() as connection:
        model = models.register_model(
            connection,
            space=Space.TEXT,
            name=card.name,
            revision=card.revision,
            dimension=8,
            tracks=EMBEDDED_TRACKS[Space.TEXT],
        )
    models.build_index(resources.database, model)
    with resources.database.begin() as connection:
        models.activate_model(connection, model.id)


def test_texts_are_embedded_where_the_model_in_use_is_not_here(
    resources: StepResources, tmp_path: Path
) -> None:
    link_models(resources.models_dir, resources.text_model)
    database = resources.database
    with without_models(database):
        old = begin_model(database, "gone")
        with database.begin() as connection:
            models.build_index(database, old)
            models.activate_model(connection, old.id)
        for asset_id in ("film", "other"):
            register(database, asset_id)
            tell(database, asset_id, ["Rain along the coast."])
        outcome = generate_text_embeddings(resources, open_context(tmp_path, "film"))
        assert outcome.result["count"] == 2
        new = get_model(resources, resources.text_model)
        assert new.tracks == EMBEDDED_TRACKS[Space.TEXT]
        assert index_embeddings(resources, open_context(tmp_path, "film")).result["count"] == 1
        assert get_model(resources, resources.text_model).state is ModelState.ACTIVE
