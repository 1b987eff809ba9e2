"""Ingestion on a running worker: real videos with real models, until search finds their moments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.worker.conftest import Stack
from tests.model_files import link_models, without_model
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.storage.retrieval.models import find_active_model
from cinemill.storage.retrieval.search import find_candidates

MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names", "nanodet"),
    *("minilm-l6-v2-int8", "en-core-web-sm", "clip-vit-b16-int8"),
)


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


def put_sample(films_folder: Path, name: str) -> Path:
    sample = fetch(name)
    return Path(shutil.copy(sample, films_folder / sample.name))


def ingest(stack: Stack, path: Path, profile: str = "full") -> dict[str, Any]:
    task = stack.app.tasks["process_video"]
    result: dict[str, Any] = task.apply_async(kwargs={"path": str(path), "profile": profile}).get(
        timeout=4 * PATIENCE_SECONDS
    )
    return result


def search(stack: Stack, words: str) -> list[Any]:
    embedder = open_text_embedder("minilm-l6-v2-int8", stack.home / "models")
    (vector,) = embedder.embed([words])
    with stack.database.begin() as connection:
        model = find_active_model(connection, "text")
        assert model is not None
        query = CandidateQuery(
            SearchScope(DEFAULT_OWNER), text=words, vector=vector, model_id=model.id, limit=10
        )
        found = find_candidates(connection, query)
    return sorted(found, key=lambda one: -(one.scores.vector or -1))


def test_speech_names_and_pictures_of_a_video_are_found(stack: Stack, films_folder: Path) -> None:
    result = ingest(stack, put_sample(films_folder, "obama_speech"))
    assert result["gaps"] == []
    asset_id = result["asset_id"]
    assert set(result["findings"]) == {kind.value for kind in FindingKind} - {
        *("cue", "moderation", "description", "knowledge")
    }
    texts = [one.label for one in list_active(stack.database, asset_id, FindingKind.TEXT)]
    assert "PRESIDENT OBAMA STATEMENT ON IRAN" in texts
    best = search(stack, "where do they talk about the negotiations?")[0]
    assert "two years of negotiations" in best.text
    assert best.asset_id == asset_id
    with stack.database.begin() as connection:
        names = connection.execute(
            text(
                "SELECT DISTINCT mention.name, entity.kind FROM mention "
                "JOIN entity ON entity.id = mention.entity_id WHERE mention.asset_id = :id"
            ),
            {"id": asset_id},
        )
        found = {(row.name, row.kind) for row in names}
    assert ("United States", EntityKind.PLACE.value) in found


def count_attempts(stack: Stack, *kinds: str) -> int:
    query = text("SELECT count(*) FROM run WHERE kind = ANY(:kinds)")
    with stack.database.begin() as connection:
        return int(connection.execute(query, {"kinds": [*kinds]}).scalar_one())


def read_rows(stack: Stack, asset_id: str) -> dict[str, list[str]]:
    """Return everything that is known of a video, without when it was found out."""
    rows = {}
    queries = {
        "finding_set": "SELECT kind, model, revision, state FROM finding_set WHERE asset_id = :id",
        "finding": "SELECT kind, start_ms, end_ms, label, confidence, track FROM finding "
        "JOIN finding_set ON finding_set.id = set_id WHERE asset_id = :id",
        "passage": "SELECT id, text, start_ms, end_ms FROM passage WHERE asset_id = :id",
        "mention": "SELECT name, modality, start_ms FROM mention WHERE asset_id = :id",
        "relation": "SELECT subject_name, predicate, object_name, start_ms FROM relation_evidence "
        "WHERE asset_id = :id",
        "scene": "SELECT shot, label, track FROM scene_object WHERE asset_id = :id",
    }
    with stack.database.begin() as connection:
        for name, query in queries.items():
            rows[name] = sorted(map(str, connection.execute(text(query), {"id": asset_id})))
    return rows


def test_same_bytes_again_call_no_model(stack: Stack, films_folder: Path) -> None:
    film = put_sample(films_folder, "obama_speech")
    first = ingest(stack, film)
    known = read_rows(stack, first["asset_id"])
    looked = count_attempts(stack, "analyze_chunk", "merge_chunks")
    again = ingest(stack, film)
    assert again["asset_id"] == first["asset_id"]
    assert read_rows(stack, first["asset_id"]) == known
    assert all(known.values())
    assert count_attempts(stack, "analyze_chunk", "merge_chunks") == looked
    assert again["findings"] == first["findings"]


def test_silent_video_has_no_speech_and_no_gap(stack: Stack, films_folder: Path) -> None:
    result = ingest(stack, put_sample(films_folder, "bikes"), "standard")
    assert result["gaps"] == []
    assert "speech" not in result["passages"]
    assert result["findings"]["shot"] == 6
    assert "object" not in result["findings"]


def test_video_without_a_profile_is_only_prepared(stack: Stack, films_folder: Path) -> None:
    task = stack.app.tasks["process_video"]
    film = put_sample(films_folder, "shot_change")
    result = task.apply_async(args=[str(film)]).get(timeout=PATIENCE_SECONDS)
    assert "findings" not in result


def test_missing_model_leaves_a_gap_that_a_later_ingestion_closes(
    stack: Stack, films_folder: Path
) -> None:
    film = put_sample(films_folder, "shot_change")
    with without_model(stack.home / "models", "centerface"):
        result = ingest(stack, film, "standard")
    (gap,) = result["gaps"]
    assert (gap["subject"], gap["code"]) == ("face", "model_missing")
    assert "cinemill models fetch centerface" in gap["hint"]
    assert gap["hint"].endswith("Then ingest the video again.")
    assert result["findings"]["tag"] >= 0
    assert "face" not in result["findings"]
    again = ingest(stack, film, "standard")
    assert again["gaps"] == []
    assert again["findings"]["face"] == 0


def test_shots_alone(stack: Stack, films_folder: Path) -> None:
    task = stack.app.tasks["detect_shot_boundaries"]
    film = put_sample(films_folder, "bikes")
    result = task.apply_async(args=[str(film)]).get(timeout=PATIENCE_SECONDS)
    assert result["count"] == 6
