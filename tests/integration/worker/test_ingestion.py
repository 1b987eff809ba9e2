"""Ingestion on a running worker: real videos with real models, until search finds their moments."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests import films
from tests.integration.worker.conftest import Stack
from tests.model_files import link_models, without_model
from tests.waiting import PATIENCE_SECONDS, wait_until
from tools.samples import fetch

from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import DEFAULT_OWNER, JobState
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.core.transcript import Utterance
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.storage.media.findings import find_latest_transcript, save_transcript
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


@pytest.mark.parametrize("chosen", [{}, {"profile": None}])
def test_ingestion_without_a_profile_leaves_a_gap_as_the_standard_one_does(
    stack: Stack, films_folder: Path, chosen: dict[str, None]
) -> None:
    plain = films.make_film(films_folder / "plain.mp4", seconds=2)
    # Bytes of its own: another file's video with the same bytes would get this one's name.
    name = f"default {len(chosen)}"
    film = films.remux(plain, films_folder / f"{name}.mp4", "-metadata", f"title={name}")
    task = stack.app.tasks["orchestrate_video_ingestion"]
    with without_model(stack.home / "models", "base"):
        sent = task.apply_async(args=[str(film)], kwargs=chosen)
        result = sent.get(timeout=2 * PATIENCE_SECONDS)
    assert result["profile"] == "standard"
    assert {gap["subject"]: gap["code"] for gap in result["gaps"]} == {"speech": "model_missing"}


def run_alone(stack: Stack, kind: str, asset_id: str) -> dict[str, Any]:
    job = stack.service.create_job(kind, owner=DEFAULT_OWNER, asset_id=asset_id)
    wait_until(lambda: stack.service.get_job(job.id).state.is_final)
    done = stack.service.get_job(job.id)
    assert done.state is JobState.COMPLETED, done.failure
    return dict(done.result or {})


def test_entities_alone_keep_what_is_said_about_them(stack: Stack, films_folder: Path) -> None:
    asset_id = ingest(stack, put_sample(films_folder, "obama_speech"))["asset_id"]
    known = read_rows(stack, asset_id)
    assert known["relation"]
    assert run_alone(stack, "extract_entities", asset_id)["reused"]
    assert read_rows(stack, asset_id) == known
    # As if the passages had changed since.
    with stack.database.begin() as connection:
        statement = "UPDATE finding_set SET id = gen_random_uuid() WHERE kind = 'knowledge'"
        connection.execute(text(statement))
    assert not run_alone(stack, "extract_entities", asset_id)["reused"]
    rows = read_rows(stack, asset_id)
    assert rows["mention"]
    assert rows["relation"] == known["relation"]
    ingest(stack, put_sample(films_folder, "obama_speech"))
    assert read_rows(stack, asset_id) == known


def test_passages_are_those_of_the_ingestion_and_not_of_later_captions(
    stack: Stack, films_folder: Path
) -> None:
    film = put_sample(films_folder, "obama_speech")
    asset_id = ingest(stack, film)["asset_id"]
    known = read_rows(stack, asset_id)
    spoken = find_latest_transcript(stack.database, asset_id)
    assert spoken is not None
    wrong = replace(spoken.transcript, utterances=(Utterance(0, 900, "Bonjour."),))
    with stack.database.begin() as connection:
        save_transcript(connection, asset_id, "captions in a wrong language", wrong)
    ingest(stack, film)
    assert read_rows(stack, asset_id)["passage"] == known["passage"]


def test_shots_alone(stack: Stack, films_folder: Path) -> None:
    task = stack.app.tasks["detect_shot_boundaries"]
    film = put_sample(films_folder, "bikes")
    result = task.apply_async(args=[str(film)]).get(timeout=PATIENCE_SECONDS)
    assert result["count"] == 6
