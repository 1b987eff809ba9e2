"""Rows of what was found in videos: transcripts, utterances and their words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, RowMapping, Select, select
from sqlalchemy.dialects.postgresql import insert

from cinemill.core.transcript import SpeechTask, Transcript, Utterance, Word
from cinemill.errors import NotFound
from cinemill.storage import tables
from cinemill.storage.database import Database


@dataclass(frozen=True, slots=True)
class TranscriptRecord:
    id: str
    asset_id: str
    step_key: str
    transcript: Transcript
    created_at: datetime


def transcript_id(asset_id: str, step_key: str) -> str:
    """Return the id of an asset's transcript, derived from the work that creates it.

    It is known before the transcript is created, and the same for every process that creates it.
    """
    return str(uuid5(NAMESPACE_OID, f"{asset_id}/{step_key}"))


def save_transcript(
    connection: Connection, asset_id: str, step_key: str, transcript: Transcript
) -> None:
    """Keep it with its utterances, unless the same work was kept for this asset before."""
    kept = (
        insert(tables.transcript)
        .values(
            id=transcript_id(asset_id, step_key),
            asset_id=asset_id,
            step_key=step_key,
            model=transcript.model,
            model_revision=transcript.model_revision,
            language=transcript.language,
            task=transcript.task.value,
            facts=dict(transcript.facts),
        )
        .on_conflict_do_nothing()
        .returning(tables.transcript.c.id)
    )
    identity = connection.execute(kept).scalar()
    if identity is None or not transcript.utterances:
        return
    rows = [
        {
            "transcript_id": identity,
            "position": position,
            "start_ms": utterance.start_ms,
            "end_ms": utterance.end_ms,
            "text": utterance.text,
            "words": [word.to_json() for word in utterance.words],
        }
        for position, utterance in enumerate(transcript.utterances)
    ]
    connection.execute(insert(tables.utterance), rows)


def find_transcript(database: Database, step_key: str) -> Transcript | None:
    """Return the earlier result of this work, for any asset of the same bytes.

    None if it was never done.
    """
    record = _read(database, _newest().where(tables.transcript.c.step_key == step_key))
    return None if record is None else record.transcript


def get_transcript(database: Database, identity: str) -> TranscriptRecord:
    """Return a transcript. Raises NotFound."""
    record = _read(database, _newest().where(tables.transcript.c.id == identity))
    if record is None:
        raise NotFound(f"There is no transcript {identity}.", code="transcript_not_found")
    return record


def find_latest_transcript(database: Database, asset_id: str) -> TranscriptRecord | None:
    """Return the newest transcript of what was said in a video, if there is one.

    A translation is none: search is about the words that were said.
    """
    columns = tables.transcript.c
    query = _newest().where(
        columns.asset_id == asset_id, columns.task == SpeechTask.TRANSCRIBE.value
    )
    return _read(database, query)


def list_transcript_keys(connection: Connection, asset_id: str) -> dict[str, str]:
    """Return the keys of the work of a video's transcripts by their ids, newest first.

    Translations are left out, as in :func:`find_latest_transcript`.
    """
    columns = tables.transcript.c
    query = (
        select(columns.id, columns.step_key)
        .where(columns.asset_id == asset_id, columns.task == SpeechTask.TRANSCRIBE.value)
        .order_by(columns.created_at.desc())
    )
    return {row.id: row.step_key for row in connection.execute(query)}


def _newest() -> Select[Any]:
    return select(tables.transcript).order_by(tables.transcript.c.created_at.desc()).limit(1)


def _read(database: Database, query: Select[Any]) -> TranscriptRecord | None:
    columns = tables.utterance.c
    with database.begin() as connection:
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        said = (
            select(tables.utterance)
            .where(columns.transcript_id == row["id"])
            .order_by(columns.position)
        )
        utterances = tuple(map(_utterance, connection.execute(said).mappings()))
    return _record(row, utterances)


def _record(row: RowMapping, utterances: tuple[Utterance, ...]) -> TranscriptRecord:
    transcript = Transcript(
        model=row["model"],
        model_revision=row["model_revision"],
        language=row["language"],
        task=SpeechTask(row["task"]),
        utterances=utterances,
        facts=row["facts"],
    )
    return TranscriptRecord(
        row["id"], row["asset_id"], row["step_key"], transcript, row["created_at"]
    )


def _utterance(row: RowMapping) -> Utterance:
    words = tuple(Word.from_json(word) for word in row["words"])
    return Utterance(row["start_ms"], row["end_ms"], row["text"], words)
