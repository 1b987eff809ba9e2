"""Captions that an ingestion leaves: of speech alone, next to others, and never in their place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests import films
from tests.integration.worker.conftest import Stack
from tests.integration.worker.ingestion_rows import read_all_rows
from tests.integration.worker.test_ingestion import MODELS, ingest
from tests.model_files import link_models, without_model
from tests.speech import SPEECH, word_error_rate
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.capabilities.captions.edit_store import (
    CaptionStore,
    correct_captions,
    discard_correction,
)
from cinemill.capabilities.captions.formats import FILES
from cinemill.capabilities.captions.handlers import write_texts
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.text.segmentation import Cue
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.storage.media import assets, findings
from cinemill.storage.media.captions import (
    INGESTION_VARIANT,
    CaptionSet,
    find_captions,
    find_ingestion_captions,
    find_newest,
)

WRITTEN = Cue(0, 1500, ("As a person", "wrote it."), ())


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


def copy_speech(films_folder: Path, name: str) -> Path:
    """Return the speech in bytes that no other test has, without a transcript yet."""
    sample = fetch("obama_speech")
    return films.remux(sample, films_folder / f"{name}.mp4", "-metadata", f"title={name}")


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return copy_speech(films_folder, "captioned speech")


def list_captions(stack: Stack, asset_id: str) -> dict[str, CaptionSet]:
    with stack.database.begin() as connection:
        return find_captions(connection, asset_id)


def find_left(stack: Stack, asset_id: str) -> CaptionSet | None:
    with stack.database.begin() as connection:
        return find_ingestion_captions(connection, asset_id)


def caption(stack: Stack, asset_id: str, **params: Any) -> dict[str, Any]:
    task = stack.app.tasks["caption"].apply_async(kwargs={"asset_id": asset_id, **params})
    result: dict[str, Any] = task.get(timeout=PATIENCE_SECONDS)
    return result


def read_text(stack: Stack, one: CaptionSet, kind: ArtifactKind) -> str:
    return stack.files.path(one.files[kind].sha256).read_text("utf-8")


def test_ingestion_leaves_the_captions_that_a_job_would_write(stack: Stack, film: Path) -> None:
    asset_id = ingest(stack, film, "quick")["asset_id"]
    left = find_left(stack, asset_id)
    assert left is not None
    assert (left.language, left.model) == ("en", "base")
    assert left.files[ArtifactKind.CAPTIONS_VTT].filename == "captioned speech.en.vtt"
    said = read_text(stack, left, ArtifactKind.CAPTIONS_TEXT)
    assert word_error_rate(SPEECH, said) < 0.1
    asked = caption(stack, asset_id)
    assert asked["reused"]
    for file in FILES:
        assert read_text(stack, left, file.kind) == Path(asked[file.result_name]).read_text("utf-8")


def test_same_bytes_again_leave_the_same_captions(stack: Stack, film: Path) -> None:
    first = find_left(stack, ingest(stack, film, "quick")["asset_id"])
    assert first is not None
    reused = count_reused(stack)
    with without_model(stack.home / "models", "base"):
        again = ingest(stack, film, "quick")
    assert again["gaps"] == []
    assert find_left(stack, again["asset_id"]) == first
    assert count_reused(stack) == reused + 1


def count_reused(stack: Stack) -> int:
    """Return how many steps found captions that an earlier ingestion had left."""
    query = text(
        "SELECT count(*) FROM step WHERE kind = 'caption_speech' AND (result ->> 'reused')::boolean"
    )
    with stack.database.begin() as connection:
        return int(connection.execute(query).scalar_one())


def test_captions_that_were_asked_for_come_before_those_of_an_ingestion(
    stack: Stack, films_folder: Path
) -> None:
    film = copy_speech(films_folder, "asked for")
    task = stack.app.tasks["caption"].apply_async(
        args=[str(film)], kwargs={"model": "base", "language": "en", "words": False}
    )
    asset_id = task.get(timeout=PATIENCE_SECONDS)["asset_id"]
    asked = list_captions(stack, asset_id)
    ingest(stack, film, "quick")
    left = find_left(stack, asset_id)
    assert left is not None
    assert left.created_at > asked["en"].created_at
    assert list_captions(stack, asset_id) == asked
    with stack.database.begin() as connection:
        assert find_newest(connection, asset_id) == asked["en"]


def test_ingestion_does_not_touch_what_a_person_wrote(
    stack: Stack, film: Path, tmp_path: Path
) -> None:
    asset_id = ingest(stack, film, "quick")["asset_id"]
    before = list_captions(stack, asset_id)["en"]
    store = CaptionStore(stack.database, stack.files, tmp_path, stack.service)
    asset = assets.get_asset(stack.database, asset_id)
    written = correct_captions(store, asset, "en", [WRITTEN], before.version).captions
    with stack.database.begin() as connection:  # so that the ingestion writes its own once more
        connection.execute(
            text("DELETE FROM artifact WHERE asset_id = :id AND variant = :variant"),
            {"id": asset_id, "variant": INGESTION_VARIANT},
        )
    ingest(stack, film, "quick")
    left = find_left(stack, asset_id)
    assert left is not None
    assert left.created_at > written.created_at
    assert list_captions(stack, asset_id) == {"en": written}
    discard_correction(store, asset, "en", written.version)
    assert not list_captions(stack, asset_id)["en"].is_corrected


def test_speech_without_its_model_has_no_captions_until_it_is_there(
    stack: Stack, films_folder: Path
) -> None:
    film = copy_speech(films_folder, "without a model")
    with without_model(stack.home / "models", "base"):
        result = ingest(stack, film, "quick")
    (gap,) = result["gaps"]
    assert (gap["subject"], gap["code"]) == ("speech", "model_missing")
    assert result["findings"]["shot"] >= 1
    asset_id = result["asset_id"]
    assert find_left(stack, asset_id) is None
    assert ingest(stack, film, "quick")["gaps"] == []
    assert find_left(stack, asset_id) is not None


def make_music(path: Path) -> Path:
    chord = "+".join(f"sin(2*PI*{hertz}*t)*exp(-2*mod(t,0.5))/4" for hertz in (262, 330, 392, 523))
    films.run(
        [
            *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=8"),
            *("-f", "lavfi", "-i", f"aevalsrc='{chord}':duration=8"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", f"file:{path}"),
        ]
    )
    return path


def store_captions(stack: Stack, asset_id: str, said: str) -> None:
    """Store captions as an ingestion would leave them of these words."""
    transcript = Transcript(
        "base", "weights", "en", SpeechTask.TRANSCRIBE, (Utterance(0, 1500, said),), {}
    )
    stored = []
    for file in FILES:
        with stack.files.receive() as incoming:
            incoming.write(write_texts(transcript, with_words=True)[file.kind].encode())
            kept = incoming.commit()
        facts = {"language": "en", "model": "base"}
        stored.append(
            Artifact(file.kind, kept.sha256, kept.size_bytes, "music.en", file.media_type, facts)
        )
    with stack.database.begin() as connection:
        assets.save_artifacts(connection, asset_id, "work", stored, variant=INGESTION_VARIANT)


def test_music_is_not_transcribed_and_loses_captions_that_were_misheard(
    stack: Stack, films_folder: Path
) -> None:
    film = make_music(films_folder / "captionless music.mp4")
    result = ingest(stack, film, "standard")
    assert result["gaps"] == []
    assert result["passages"].get("speech", 0) == 0
    asset_id = result["asset_id"]
    assert read_all_rows(stack, asset_id)["utterance"] == []
    transcript = findings.find_latest_transcript(stack.database, asset_id)
    assert transcript is not None
    assert transcript.transcript.utterances == ()
    assert find_left(stack, asset_id) is None
    store_captions(stack, asset_id, "Nobody sings this.")
    assert find_left(stack, asset_id) is not None
    assert ingest(stack, film, "standard")["gaps"] == []
    assert find_left(stack, asset_id) is None


def test_silent_video_has_no_captions(stack: Stack, films_folder: Path) -> None:
    film = Path(shutil.copy(fetch("shot_change"), films_folder / "captionless.mp4"))
    silent = films.remux(film, films_folder / "captionless silent.mp4", "-an")
    result = ingest(stack, silent, "quick")
    assert result["gaps"] == []
    assert list_captions(stack, result["asset_id"]) == {}


def test_deleted_video_has_no_captions_left(stack: Stack, films_folder: Path) -> None:
    asset_id = ingest(stack, copy_speech(films_folder, "deleted speech"), "quick")["asset_id"]
    assert find_left(stack, asset_id) is not None
    with stack.database.begin() as connection:
        assert assets.delete_asset(connection, asset_id)
    assert not any(read_all_rows(stack, asset_id).values())
    assert list_captions(stack, asset_id) == {}
