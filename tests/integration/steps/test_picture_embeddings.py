"""Vectors of many pictures take the memory of one picture."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from tests.integration.steps.conftest import make_run
from tests.integration.storage.intelligence_rows import register, without_models
from tests.onnx_files import write_mean_model

from cinemill.capabilities.embeddings.picture_handler import BATCH_SIZE, generate_visual_embeddings
from cinemill.core.frames import Frame
from cinemill.core.media import ArtifactKind
from cinemill.core.parameter_reader import read_parameters
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.errors import JobCancelled
from cinemill.inference.models.user_cards import UserCard, add_model
from cinemill.jobs.step import StepContext
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.steps.ingestion.keyframe_pictures import store_pictures
from cinemill.steps.resources import StepResources
from cinemill.storage.media.assets import replace_artifacts
from cinemill.storage.retrieval.models import EmbeddingModel, count_missing, list_models
from cinemill.storage.retrieval.passages import save_passages

PICTURES, WIDTH, HEIGHT = 150, 960, 540
PICTURE_BYTES = WIDTH * HEIGHT * 3
CARD = {
    "schema": 1,
    "name": "mean-color",
    "role": "image-embedding",
    "licence": "CC0-1.0",
    "input": {"width": 32, "height": 32, "mean": [0, 0, 0], "std": [255, 255, 255]},
    "outputs": [{"dimension": 3}],
}


def make_frames() -> Iterator[Frame]:
    for at in range(PICTURES):
        yield Frame(at, at * 1000, np.full((HEIGHT, WIDTH, 3), (at, 90, 255 - at), np.uint8))


@pytest.fixture
def library(resources: StepResources, tmp_path: Path) -> Iterator[StepResources]:
    """Return resources of a video with many pictures, and of a model that has seen none."""
    add_model(
        read_parameters(UserCard, CARD),
        write_mean_model(tmp_path / "mean.onnx"),
        resources.models_dir,
        taken=(),
    )
    with without_models(resources.database):
        yield replace(resources, picture_model="mean-color")


def open_context(folder: Path, *, stop_after: int = 10**6) -> StepContext:
    """Return a context whose step is asked to stop once it has asked so many times."""
    asked = count()

    def should_stop() -> Exception | None:
        return JobCancelled("stop") if next(asked) >= stop_after else None

    run = make_run("generate_visual_embeddings")
    return StepContext(run, folder, lambda *_: None, should_stop, memory_bytes=1 << 30)


def show(resources: StepResources) -> None:
    register(resources.database, "film")
    stored = store_pictures(resources.files, make_frames(), stem="film")
    passages = [
        Passage(at, PassageTrack.KEYFRAME, at * 1000, at * 1000 + 1000, "", frame_ms=at * 1000)
        for at in range(PICTURES)
    ]
    with resources.database.begin() as connection:
        replace_artifacts(connection, "film", "key", ArtifactKind.KEYFRAME, stored)
        save_passages(connection, "film", PassageTrack.KEYFRAME, passages)


def test_one_picture_is_held_at_a_time(library: StepResources, tmp_path: Path) -> None:
    encode_jpeg(next(make_frames()).pixels)  # what is loaded once does not count
    tracemalloc.start()
    try:
        show(library)
        _, stored = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        outcome = generate_visual_embeddings(library, open_context(tmp_path))
        _, embedded = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome.result["count"] == PICTURES
    assert stored < 15 * PICTURE_BYTES
    assert embedded - before < 15 * PICTURE_BYTES  # of 150; floats take four times the bytes


def test_work_that_was_stopped_goes_on_where_it_was(library: StepResources, tmp_path: Path) -> None:
    show(library)
    with pytest.raises(JobCancelled):
        generate_visual_embeddings(library, open_context(tmp_path, stop_after=100))
    (model,) = list_all_models(library)
    with library.database.begin() as connection:
        left = count_missing(connection, model)
    assert left == PICTURES - BATCH_SIZE
    again = generate_visual_embeddings(library, open_context(tmp_path))
    assert again.result["count"] == left
    assert generate_visual_embeddings(library, open_context(tmp_path)).result["reused"] is True


def list_all_models(resources: StepResources) -> list[EmbeddingModel]:
    with resources.database.begin() as connection:
        return [*list_models(connection)]
