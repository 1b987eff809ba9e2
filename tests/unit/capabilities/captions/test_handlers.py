"""Content keys of captions, and the names of their files."""

from __future__ import annotations

import pytest

from cinemill.capabilities.captions.formats import FILES, name_captions
from cinemill.capabilities.captions.handlers import transcript_key, write_texts
from cinemill.capabilities.captions.request import SpeechRequest
from cinemill.core.media import ArtifactKind
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.steps.ingestion.spoken_text import captions_key

REQUEST = SpeechRequest()
KEY = transcript_key("film", REQUEST, "weights")


def test_transcript_key_is_equal_for_equal_video_weights_and_request() -> None:
    assert transcript_key("film", SpeechRequest(), "weights") == KEY


@pytest.mark.parametrize(
    "other",
    [
        transcript_key("another film", REQUEST, "weights"),
        transcript_key("film", REQUEST, "other weights"),
        transcript_key("film", SpeechRequest(language="en"), "weights"),
        transcript_key("film", SpeechRequest(task=SpeechTask.TRANSLATE), "weights"),
        captions_key(KEY, with_words=True),
        captions_key(KEY, with_words=False),
    ],
)
def test_transcript_key_differs_for_any_other_input(other: str) -> None:
    assert other != KEY


@pytest.mark.parametrize(
    ("filename", "language", "name"),
    [
        ("holiday.mp4", "en", "holiday.en.srt"),
        ("no speech.mov", "", "no speech.srt"),
        ("../../etc/passwd", "de", "passwd.de.srt"),
    ],
)
def test_caption_file_name_is_found_by_players(filename: str, language: str, name: str) -> None:
    assert name_captions(filename, language, "srt") == name


def test_caption_files_come_from_one_transcript() -> None:
    said = Utterance(0, 1500, "Good morning.")
    transcript = Transcript("base", "weights", "en", SpeechTask.TRANSCRIBE, (said,), {})
    texts = write_texts(transcript, with_words=True)
    assert texts.keys() == {file.kind for file in FILES}
    assert all("Good morning." in text for text in texts.values())
    assert texts[ArtifactKind.CAPTIONS_TEXT] == "Good morning.\n"
