"""Search by pictures on a running worker: real videos with the real model, and another model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from tests.integration.worker.conftest import Stack
from tests.model_files import link_models
from tests.onnx_files import write_mean_model
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.capabilities.embeddings.handlers import index_embeddings
from cinemill.capabilities.embeddings.moment_handler import generate_multimodal_embeddings
from cinemill.capabilities.embeddings.picture_handler import generate_visual_embeddings
from cinemill.capabilities.search.similar_pictures import (
    find_pictures_by_words,
    find_similar_moments,
    find_similar_pictures,
)
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import DEFAULT_OWNER, ClaimedRun
from cinemill.core.media import ArtifactKind, name_keyframe
from cinemill.core.parameter_reader import read_parameters
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.similar import SimilarMoment
from cinemill.core.retrieval.spaces import Space
from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.user_cards import UserCard, add_model
from cinemill.jobs.step import StepContext
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.stills.read import read_picture
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.ingestion.keyframe_pictures import MAX_WIDTH_PX, MOST_BYTES
from cinemill.steps.resources import StepResources
from cinemill.storage.media.assets import delete_asset, list_artifacts_of
from cinemill.storage.retrieval.models import find_active_model, list_models
from cinemill.storage.retrieval.passages import list_passages
from cinemill.worker.handlers import build_resources

PICTURE_MODEL = "clip-vit-b16-int8"
MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names", "nanodet"),
    *("minilm-l6-v2-int8", "en-core-web-sm", PICTURE_MODEL),
)
SCOPE = SearchScope(DEFAULT_OWNER)
SAMPLES = ("bikes", "carphone", "obama_speech")


@pytest.fixture(scope="module")
def library(stack: Stack, films_folder: Path) -> Iterator[dict[str, str]]:
    """The ids of three videos that were ingested whole, by their names."""
    link_models(stack.home / "models", *MODELS)
    ids = {name: ingest(stack, films_folder, name)["asset_id"] for name in SAMPLES}
    yield ids
    # Other files look at what these videos have when less is looked for.
    with stack.database.begin() as connection:
        for asset_id in ids.values():
            delete_asset(connection, asset_id)


def ingest(stack: Stack, films_folder: Path, name: str) -> dict[str, Any]:
    sample = fetch(name)
    path = Path(shutil.copy(sample, films_folder / sample.name))
    task = stack.app.tasks["process_video"]
    answer = task.apply_async(kwargs={"path": str(path), "profile": "full"})
    result: dict[str, Any] = {**answer.get(timeout=4 * PATIENCE_SECONDS), "job": answer.id}
    assert result["gaps"] == []
    return result


def find_like(stack: Stack, asset_id: str, time_ms: int, **options: Any) -> list[SimilarMoment]:
    return find_similar_moments(stack.database, SCOPE, asset_id, time_ms, **options)


def read_keyframe(stack: Stack, asset_id: str, place: int) -> tuple[int, bytes]:
    keyframe = list_active(stack.database, asset_id, FindingKind.KEYFRAME)[place]
    stored = list_artifacts_of(stack.database, asset_id, ArtifactKind.KEYFRAME)
    sha256 = stored[name_keyframe(keyframe.start_ms)].sha256
    return keyframe.start_ms, stack.files.path(sha256).read_bytes()


def test_near_duplicates_of_a_frame_are_found_first(stack: Stack, library: dict[str, str]) -> None:
    bikes = library["bikes"]
    # The riders pass a wall from 5.7 s to 7.4 s, and four key frames show it.
    found = find_like(stack, bikes, 6200, limit=50)
    assert {one.frame_ms for one in found[:3]} == {5720, 6680, 7160}
    assert all(one.asset_id == bikes and one.score > 0.9 for one in found[:3])
    others = [one.score for one in found if one.asset_id != bikes]
    assert others
    assert max(others) < min(one.score for one in found[:3]) - 0.1
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(not one.start_ms <= 6200 < one.end_ms for one in found if one.asset_id == bikes)


def test_picture_that_was_sent_is_found_in_its_video(stack: Stack, library: dict[str, str]) -> None:
    time_ms, jpeg = read_keyframe(stack, library["carphone"], 0)
    picture = read_picture(jpeg, limits=Limits(), max_width=448, max_pixels=448 * 448)
    found = find_similar_pictures(
        stack.database, SCOPE, picture, models_dir=stack.home / "models", limit=3
    )
    assert (found[0].asset_id, found[0].frame_ms) == (library["carphone"], time_ms)
    assert found[0].score > 0.999
    assert {one.asset_id for one in found} == {library["carphone"]}


def test_other_owners_find_nothing(stack: Stack, library: dict[str, str]) -> None:
    _time_ms, jpeg = read_keyframe(stack, library["carphone"], 0)
    picture = read_picture(jpeg, limits=Limits(), max_width=448, max_pixels=448 * 448)
    stranger = SearchScope("somebody else")
    models_dir = stack.home / "models"
    assert find_similar_pictures(stack.database, stranger, picture, models_dir=models_dir) == []
    with pytest.raises(NotFound) as refused:
        find_similar_moments(stack.database, stranger, library["bikes"], 0)
    assert refused.value.code == "keyframe_not_found"


def test_every_shot_has_a_picture_and_pictures_cover_the_video(
    stack: Stack, library: dict[str, str]
) -> None:
    asset_id = library["bikes"]
    with stack.database.begin() as connection:
        stored = list_passages(connection, asset_id, PassageTrack.KEYFRAME)
    passages = [one.passage for one in stored]
    shots = list_active(stack.database, asset_id, FindingKind.SHOT)
    assert {shot.start_ms for shot in shots} <= {one.start_ms for one in passages}
    assert passages[0].start_ms == shots[0].start_ms
    assert passages[-1].end_ms == shots[-1].end_ms
    for one, following in pairwise(passages):
        assert one.end_ms == following.start_ms
    assert all(one.text == "" and one.frame_ms is not None for one in passages)


def test_key_frames_are_left_as_small_jpeg_files(stack: Stack, library: dict[str, str]) -> None:
    for asset_id in library.values():
        keyframes = list_active(stack.database, asset_id, FindingKind.KEYFRAME)
        stored = list_artifacts_of(stack.database, asset_id, ArtifactKind.KEYFRAME)
        assert [*sorted(stored)] == [name_keyframe(one.start_ms) for one in keyframes]
        for artifact in stored.values():
            assert artifact.size_bytes <= MOST_BYTES
            assert artifact.facts["width"] <= MAX_WIDTH_PX
            data = stack.files.path(artifact.sha256).read_bytes()
            pixels = read_picture(data, limits=Limits(), max_width=960, max_pixels=960 * 960)
            assert pixels.shape == (artifact.facts["height"], artifact.facts["width"], 3)
            assert artifact.filename.endswith(f"-{artifact.facts['seconds']:.3f}s.jpg")


def test_moments_are_compared_by_what_is_said_too(stack: Stack, library: dict[str, str]) -> None:
    with stack.database.begin() as connection:
        models = {space: find_active_model(connection, space) for space in (*Space,)}
    texts, pictures, moments = (models[space] for space in Space)
    assert texts is not None
    assert pictures is not None
    assert moments is not None
    assert moments.dimension == texts.dimension + pictures.dimension
    assert moments.name == f"{texts.name}+{pictures.name}"
    speech = library["obama_speech"]
    (shown, *_) = find_like(stack, speech, 1417, limit=1)
    (meant, *_) = find_like(stack, speech, 1417, limit=1, space=Space.MOMENT)
    assert meant.asset_id == shown.asset_id == speech
    # Both moments have texts, so that the score is the mean of two cosines.
    assert meant.score != pytest.approx(shown.score, abs=1e-3)


def count_picture_vectors(stack: Stack) -> dict[str, str]:
    with stack.database.begin() as connection:
        model = find_active_model(connection, Space.PICTURE)
        assert model is not None
        query = text(f"SELECT passage_id, CAST(embedding AS text) AS v FROM {model.partition}")
        return {str(row.passage_id): row.v for row in connection.execute(query)}


def test_same_bytes_again_embed_nothing(
    stack: Stack, library: dict[str, str], films_folder: Path
) -> None:
    before = count_picture_vectors(stack)
    files = list_artifacts_of(stack.database, library["bikes"], ArtifactKind.KEYFRAME)
    job = ingest(stack, films_folder, "bikes")
    assert job["asset_id"] == library["bikes"]
    assert count_picture_vectors(stack) == before
    assert list_artifacts_of(stack.database, library["bikes"], ArtifactKind.KEYFRAME) == files
    query = text(
        "SELECT result FROM step WHERE job_id = :job AND kind = 'generate_visual_embeddings'"
    )
    with stack.database.begin() as connection:
        result = connection.execute(query, {"job": job["job"]}).scalar_one()
    assert (result["count"], result["reused"]) == (0, True)


def test_words_find_no_pictures_without_a_text_tower(stack: Stack, library: dict[str, str]) -> None:
    with pytest.raises(ToolMissing) as missing:
        find_pictures_by_words(
            stack.database, SCOPE, "riders at a wall", models_dir=stack.home / "models"
        )
    assert missing.value.code == "text_tower_missing"
    assert PICTURE_MODEL in missing.value.message
    assert "clip-vit-b32" in missing.value.hint


def open_context(folder: Path) -> StepContext:
    run = ClaimedRun(
        *(
            "run",
            "token",
            "job",
            "generate_visual_embeddings",
            "step",
            "name",
            "kind",
            DEFAULT_OWNER,
        ),
        asset_id=None,
        attempt=1,
        params={},
        job_params={},
        inputs={},
    )
    return StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)


def set_other_model(stack: Stack, folder: Path) -> StepResources:
    """Return the worker's resources with another model of pictures: each channel's mean."""
    resources = replace(build_resources(stack.context), models_dir=stack.home / "models")
    card = {
        "schema": 1,
        "name": "mean-color",
        "role": "image-embedding",
        "licence": "CC0-1.0",
        "input": {"width": 32, "height": 32, "mean": [0, 0, 0], "std": [255, 255, 255]},
        "outputs": [{"dimension": 3}],
    }
    if not (resources.models_dir / "mean-color").exists():
        add_model(
            read_parameters(UserCard, card),
            write_mean_model(folder / "mean.onnx"),
            resources.models_dir,
            taken=(),
        )
    return replace(resources, picture_model="mean-color")


def rename_revision(stack: Stack) -> None:
    """Make the index of pictures one that another revision of its model was used for."""
    query = text("UPDATE embedding_model SET revision = revision || 'x' WHERE space = 'picture'")
    with stack.database.begin() as connection:
        connection.execute(query)


def test_other_model_of_another_dimension_takes_the_place_of_the_first(
    stack: Stack, library: dict[str, str], tmp_path: Path
) -> None:
    bikes = library["bikes"]
    passages = count_picture_vectors(stack)
    resources, context = set_other_model(stack, tmp_path), open_context(tmp_path)
    before = find_like(stack, bikes, 6200)
    filled = generate_visual_embeddings(resources, context).result
    assert filled["count"] == len(passages)  # those of all videos, from their files
    assert find_like(stack, bikes, 6200) == before  # the first one is used until the switch
    assert generate_multimodal_embeddings(resources, context).result["count"] == len(passages)
    assert index_embeddings(resources, context).result["count"] == 2
    with stack.database.begin() as connection:
        pictures = find_active_model(connection, Space.PICTURE)
        moments = find_active_model(connection, Space.MOMENT)
        names = {one.name for one in list_models(connection)}
        partitions = set(
            connection.execute(
                text(
                    "SELECT relname FROM pg_class WHERE relname ~ '^embedding_[0-9]+_[0-9]+$' "
                    "AND relkind = 'r'"
                )
            ).scalars()
        )
    assert pictures is not None
    assert moments is not None
    assert (pictures.name, pictures.dimension) == ("mean-color", 3)
    assert (moments.name, moments.dimension) == ("minilm-l6-v2-int8+mean-color", 387)
    assert PICTURE_MODEL not in str(names)  # dropped, with its fusion
    assert {pictures.partition, moments.partition} <= partitions
    assert len(partitions) == 3
    assert find_like(stack, bikes, 6200) != before
    time_ms, jpeg = read_keyframe(stack, bikes, 0)
    picture = read_picture(jpeg, limits=Limits(), max_width=448, max_pixels=448 * 448)
    (first, *_) = find_similar_pictures(
        stack.database, SCOPE, picture, models_dir=stack.home / "models"
    )
    assert (first.asset_id, first.frame_ms) == (bikes, time_ms)


def test_pictures_of_an_index_by_another_revision_are_refused(
    stack: Stack, library: dict[str, str], tmp_path: Path
) -> None:
    """A model that was replaced under the same name gives vectors of another space."""
    resources, context = set_other_model(stack, tmp_path), open_context(tmp_path)
    generate_visual_embeddings(resources, context)
    index_embeddings(resources, context)
    with stack.database.begin() as connection:
        connection.execute(
            text("UPDATE embedding_model SET revision = 'x' WHERE space = 'picture'")
        )
    with pytest.raises(ToolMissing) as changed:
        find_similar_pictures(
            stack.database,
            SCOPE,
            np.zeros((32, 32, 3), np.uint8),
            models_dir=stack.home / "models",
        )
    assert changed.value.code == "model_changed"


def test_passage_whose_picture_is_lost_does_not_keep_a_model_from_being_used(
    stack: Stack, library: dict[str, str], films_folder: Path, tmp_path: Path
) -> None:
    carphone = library["carphone"]
    stored = list_artifacts_of(stack.database, carphone, ArtifactKind.KEYFRAME)
    lost = stored[min(stored)]
    stack.files.remove(lost.sha256)
    resources, context = set_other_model(stack, tmp_path), open_context(tmp_path)
    with stack.database.begin() as connection:
        connection.execute(
            text("UPDATE embedding_model SET revision = 'y' WHERE space = 'picture'")
        )
    generate_visual_embeddings(resources, context)
    assert index_embeddings(resources, context).result["count"] == 1
    with stack.database.begin() as connection:
        left = list_passages(connection, carphone, PassageTrack.KEYFRAME)
    assert len(left) == len(stored) - 1
    ingest(stack, films_folder, "carphone")
    with stack.database.begin() as connection:
        back = list_passages(connection, carphone, PassageTrack.KEYFRAME)
    assert len(back) == len(stored)
    assert stack.files.exists(lost.sha256)
