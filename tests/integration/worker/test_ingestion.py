"""Ingestion on a running worker: real videos with real models, until search finds their moments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.worker.conftest import Stack
from tests.speech import fetch_models
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.core.findings.finding import FindingKind
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.storage.retrieval.models import find_active_model
from cinemill.storage.retrieval.search import find_candidates

MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names", "nanodet"),
    *("minilm-l6-v2-int8", "en-core-web-sm"),
)
TABLES = (
    *("finding_set", "finding", "passage", "mention", "relation_evidence", "scene"),
    *("scene_object", "scene_relation", "utterance", "finding_gap"),
)


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    folder = fetch_models(*MODELS)
    for name in MODELS:
        link = stack.home / "models" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(folder / name)


def put_sample(films_folder: Path, name: str) -> Path:
    sample = fetch(name)
    return Path(shutil.copy(sample, films_folder / sample.name))


def ingest(stack: Stack, path: Path, profile: str = "full") -> dict[str, Any]:
    task = stack.app.tasks["process_video"]
    result: dict[str, Any] = task.apply_async(
        kwargs={"path": str(path), "profile": profile}
    ).get(timeout=4 * PATIENCE_SECONDS)
    return result


def search(stack: Stack, words: str) -> list[Any]:
    embedder = open_text_embedder("minilm-l6-v2-int8", stack.home / "models")
    (vector,) = embedder.embed([words])
    with stack.database.begin() as connection:
        model = find_active_model(connection, "text")
        assert model is not None
        query = CandidateQuery(
            SearchScope("local"), text=words, vector=vector, model_id=model.id, limit=10
        )
        found = find_candidates(connection, query)
    return sorted(found, key=lambda one: -(one.scores.vector or -1))


def test_speech_names_and_pictures_of_a_video_are_found(stack: Stack, films_folder: Path) -> None:
    result = ingest(stack, put_sample(films_folder, "obama_speech"))
    assert result["gaps"] == []
    asset_id = result["asset_id"]
    assert set(result["findings"]) == {kind.value for kind in FindingKind} - {
        *("cue", "moderation", "description")
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
    assert ("the United States", EntityKind.PLACE.value) in found
