"""Ingestions of videos without a cut, and with speech in other languages than English."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import films
from tests.corpora import fetch_espeak
from tests.integration.worker.conftest import Stack
from tests.integration.worker.ingestion_rows import read_all_rows
from tests.integration.worker.test_ingestion import MODELS, ingest
from tests.model_files import link_models

pytestmark = pytest.mark.usefixtures("own_videos")


@pytest.fixture(autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


def test_video_without_cuts_is_one_shot(stack: Stack, films_folder: Path) -> None:
    pattern = films.make_film(films_folder / "pattern.mp4", seconds=6, has_sound=False)
    film = films.remux(pattern, films_folder / "no cuts.mp4", "-metadata", "title=no cuts")
    result = ingest(stack, film, "standard")
    assert result["findings"]["shot"] == 1
    assert result["gaps"] == []


def speak(path: Path, *spoken: tuple[str, str]) -> Path:
    """Create a video of a test pattern in which these sentences are spoken, each by its voice."""
    espeak = fetch_espeak()
    sounds = [espeak.speak(sentence, voice).samples for sentence, voice in spoken]
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(sound.tobytes() for sound in sounds))
    films.run(
        [
            *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=30"),
            *("-f", "s16le", "-ar", str(espeak.rate_hz), "-ac", "1", "-i", f"file:{raw}"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest"),
            f"file:{path}",
        ]
    )
    raw.unlink()
    return path


GERMAN = "Heute Morgen habe ich im Garten gearbeitet, und danach sind wir an den See gefahren."
ENGLISH = "This morning I worked in the garden, and after that we drove to the lake together."


@pytest.mark.parametrize(
    "spoken",
    [((GERMAN, "de"), (GERMAN, "de")), ((ENGLISH, "en"), (GERMAN, "de"))],
    ids=["another language", "mixed languages"],
)
def test_speech_that_is_not_english_is_found_as_it_was_heard(
    stack: Stack, films_folder: Path, spoken: tuple[tuple[str, str], ...]
) -> None:
    name = "-".join(voice for _, voice in spoken)
    result = ingest(stack, speak(films_folder / f"{name}.mp4", *spoken), "standard")
    assert result["passages"]["speech"] >= 1
    rows = read_all_rows(stack, result["asset_id"])
    assert rows["embedding"]
    assert result["gaps"] == []
