"""What is said in a video: a person's captions where there are any, else what a model heard.

Captions in another language than the one that was heard are a translation, and searches are about
the words that were said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.errors import Postponed
from cinemill.steps.content_key import content_key
from cinemill.storage.database import Connection, Database
from cinemill.storage.media.captions import (
    UNKNOWN_LANGUAGE,
    CaptionSet,
    find_captions,
    find_ingestion_captions,
    read_caption_document,
)
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.media.findings import (
    TranscriptRecord,
    find_latest_transcript,
    get_transcript,
    list_transcript_keys,
)

WRITING = "captions"
WRITING_VERSION = 1
"""Increase it when the same transcript would give other captions."""


@dataclass(frozen=True, slots=True)
class SpokenText:
    """What searches know of the speech of a video."""

    transcript: Transcript | None
    """None where nobody wrote captions, and no model listened."""
    is_written: bool
    """Whether a person wrote it."""
    is_certain: bool
    """Whether an ingestion may go without listening: the language that was heard is known, or there
    are captions in one language only."""
    versions: Mapping[str, str]
    """Of all captions that a person had written by then, by their languages."""


def captions_key(transcript_step_key: str, *, with_words: bool) -> str:
    """Return the key of the captions that are written from a transcript."""
    return content_key(transcript_step_key, WRITING, WRITING_VERSION, with_words)


def find_heard(database: Database, asset_id: str) -> TranscriptRecord | None:
    """Return the transcript that the last ingestion left captions of, else the newest; or None.

    Somebody may have asked for captions by another model, or in a wrong language, since.
    """
    with database.begin() as connection:
        left = find_ingestion_captions(connection, asset_id)
        keys = list_transcript_keys(connection, asset_id) if left is not None else {}
    for identity, step_key in keys.items():
        if left is not None and captions_key(step_key, with_words=True) == left.step_key:
            return get_transcript(database, identity)
    return find_latest_transcript(database, asset_id)


def read_spoken_text(
    database: Database, files: LocalFiles, asset_id: str, heard: Transcript | None
) -> SpokenText:
    """Return what is said in a video.

    It is what a person wrote in the language that was ``heard``; where nothing was, what a person
    saved last.
    """
    with database.begin() as connection:
        edited = _list_edited(connection, asset_id)
    transcripts = {one.language: _read_transcript(files, one) for one in edited}
    written = [one for one in edited if transcripts[one.language].task is not SpeechTask.TRANSLATE]
    language = heard.language if heard is not None and heard.utterances else ""
    chosen = _choose(written, language)
    return SpokenText(
        heard if chosen is None else transcripts[chosen.language],
        is_written=chosen is not None,
        is_certain=chosen is not None and (bool(language) or len(written) == 1),
        versions={one.language: one.version for one in edited},
    )


def require_unchanged(connection: Connection, asset_id: str, spoken: SpokenText) -> None:
    """Check that a person has written no other captions since; the asset's row must be locked.

    Raises Postponed where somebody has: the step begins again, with those.
    """
    now = {one.language: one.version for one in _list_edited(connection, asset_id)}
    if now != spoken.versions:
        raise Postponed("Somebody edited the captions meanwhile.", delay_seconds=0.0)


def _list_edited(connection: Connection, asset_id: str) -> list[CaptionSet]:
    found = find_captions(connection, asset_id)
    return [found[language] for language in sorted(found) if found[language].is_corrected]


def _choose(written: Sequence[CaptionSet], language: str) -> CaptionSet | None:
    """Return the captions in this language, written as exactly as possible; else the newest."""
    if not language:
        return _find_newest(written)
    for wanted in (language, UNKNOWN_LANGUAGE):
        for one in written:
            if one.language == wanted:
                return one
        alike = [one for one in written if _get_primary(one.language) == _get_primary(wanted)]
        if alike:
            return _find_newest(alike)
    return None


def _find_newest(written: Iterable[CaptionSet]) -> CaptionSet | None:
    return max(written, key=lambda one: one.created_at, default=None)


def _get_primary(language: str) -> str:
    """Return ``zh`` of ``zh-Hant-HK``: what models and passages name a language by."""
    return language.split("-")[0]


def _read_transcript(files: LocalFiles, one: CaptionSet) -> Transcript:
    """Return captions as what is said while they are shown, in the order of their times."""
    document = read_caption_document(files, one)
    said = tuple(
        Utterance(
            cue["start_ms"],
            cue["end_ms"],
            " ".join(cue["lines"]),
            speaker=str(cue.get("speaker", "")),
        )
        for cue in document["captions"]
    )
    language = "" if one.language == UNKNOWN_LANGUAGE else _get_primary(one.language)
    task = SpeechTask(str(document.get("task", SpeechTask.TRANSCRIBE.value)))
    return Transcript(one.model, "", language, task, said, {})
