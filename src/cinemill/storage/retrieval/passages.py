"""Rows of passages and of the words that an owner's passages contain."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select, text
from sqlalchemy.exc import IntegrityError

from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.errors import NotFound
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.json_columns import json_parameter
from cinemill.storage.retrieval import tables

LEAST_WORD_LENGTH = 4
"""Shorter words are similar to too many."""
LONGEST_WORD_LENGTH = 40
_WORD_ATTEMPTS = 5

_COLUMNS = tables.passage.c
_READ = [column for column in _COLUMNS if column.name != "words"]

_LOCK = text("SELECT owner FROM asset WHERE id = :asset_id FOR NO KEY UPDATE")
_DELETE = text(
    """
    DELETE FROM passage WHERE asset_id = :asset_id AND track = :track AND NOT id = ANY(:ids)
    """
)
_INSERT = text(
    """
    INSERT INTO passage (id, asset_id, owner, collection, track, number, start_ms, end_ms, text,
                         language, speaker, frame_ms, unsure_words)
    SELECT new.id, asset.id, asset.owner, asset.collection, :track, number, start_ms, end_ms,
           new.text, language, speaker, frame_ms, unsure_words
    FROM asset CROSS JOIN jsonb_to_recordset(:passages) AS new (
        id uuid, number int, start_ms bigint, end_ms bigint, text text, language text, speaker text,
        frame_ms bigint, unsure_words text[])
    WHERE asset.id = :asset_id
    ON CONFLICT (id) DO UPDATE SET unsure_words = excluded.unsure_words
    WHERE passage.unsure_words IS DISTINCT FROM excluded.unsure_words
    """
).bindparams(json_parameter("passages"))

# Rows of the words first, in one order for everybody, then the asset's own: a word that two assets
# add at the same moment makes the second wait, and nobody waits for one that stays.
_SPOKEN = """
WITH spoken AS MATERIALIZED (
    SELECT DISTINCT lexeme AS word FROM passage
    CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector('simple', text))) AS lexeme
    WHERE asset_id = :asset_id AND length(lexeme) BETWEEN :shortest AND :longest
      AND lexeme !~ '[0-9]'
)
"""
_ADD_WORDS = text(
    _SPOKEN  # noqa: S608
    + """
    INSERT INTO word (owner, word) SELECT :owner, spoken.word FROM spoken
    ORDER BY spoken.word ON CONFLICT DO NOTHING
    """
)
_ADD_ASSET_WORDS = text(
    _SPOKEN  # noqa: S608
    + """
    INSERT INTO asset_word (asset_id, owner, word) SELECT :asset_id, :owner, word FROM spoken
    ORDER BY word ON CONFLICT DO NOTHING
    """
)
_REMOVE_ASSET_WORDS = text(
    _SPOKEN  # noqa: S608
    + """
    DELETE FROM asset_word WHERE asset_id = :asset_id AND word NOT IN (SELECT word FROM spoken)
    """
)
_UNKNOWN = text(
    """
    SELECT asked.word FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS asked (word, place)
    WHERE NOT EXISTS (
        SELECT FROM unnest(tsvector_to_array(to_tsvector('simple', asked.word))) AS lexeme
        JOIN asset_word ON asset_word.owner = :owner AND asset_word.word = lexeme)
    ORDER BY place
    """
)


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its id and the video that it belongs to."""

    id: str
    asset_id: str
    owner: str
    passage: Passage


def passage_id(asset_id: str, passage: Passage) -> str:
    """Return the id of a passage, which changes with its content.

    Ids of one asset follow each other by track and number, so that what is read together lies
    together in every index.
    """
    content = (
        asset_id,
        passage.track.value,
        passage.number,
        passage.start_ms,
        passage.end_ms,
        passage.text,
        passage.language,
        passage.speaker,
        *(() if passage.frame_ms is None else (passage.frame_ms,)),
    )
    track = [*PassageTrack].index(passage.track)
    return str(
        UUID(
            bytes=hashlib.sha256(asset_id.encode()).digest()[:6]
            + bytes([track])
            + (passage.number & 0xFFFFFF).to_bytes(3, "big")
            + hashlib.sha256(repr(content).encode()).digest()[:6]
        )
    )


def save_passages(
    connection: Connection, asset_id: str, track: PassageTrack, passages: Sequence[Passage]
) -> list[str]:
    """Make these the passages of a video's track, and return their ids in the same order.

    Passages that were stored before with the same content stay, with their embeddings; all others
    of the track are deleted. Readers see the old ones or the new ones, for this is one transaction
    together with what else the caller writes: the embeddings of new passages belong into it.

    Raises NotFound (``asset_not_found``), ValueError where a passage is of another track.
    """
    if any(passage.track is not track for passage in passages):
        raise ValueError(f"all passages must be of the track {track.value}")
    owner = connection.execute(_LOCK, {"asset_id": asset_id}).scalar_one_or_none()
    if owner is None:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    ids = [passage_id(asset_id, passage) for passage in passages]
    values = {"asset_id": asset_id, "track": track.value}
    connection.execute(_DELETE, {**values, "ids": [UUID(one) for one in ids]})
    rows = [_write(one, passage) for one, passage in zip(ids, passages, strict=True)]
    if rows:
        connection.execute(_INSERT, {**values, "passages": rows})
    if track is not PassageTrack.KEYFRAME:
        _save_words(connection, asset_id, owner)
    return ids


def delete_passages(connection: Connection, passage_ids: Collection[str]) -> None:
    """Delete passages with their vectors; ids that are unknown or no ids are left out."""
    connection.execute(
        text("DELETE FROM passage WHERE id = ANY(:ids)"), {"ids": parse_ids(passage_ids)}
    )


def _save_words(connection: Connection, asset_id: str, owner: str) -> None:
    bounds = {"shortest": LEAST_WORD_LENGTH, "longest": LONGEST_WORD_LENGTH}
    values = {"asset_id": asset_id, **bounds}
    for attempt in range(_WORD_ATTEMPTS):
        try:
            with connection.begin_nested():
                connection.execute(_ADD_WORDS, {**values, "owner": owner})
                connection.execute(_ADD_ASSET_WORDS, {**values, "owner": owner})
            break
        except IntegrityError:
            # Between the two, the last other video with one of the words was deleted.
            if attempt + 1 == _WORD_ATTEMPTS:
                raise
    connection.execute(_REMOVE_ASSET_WORDS, values)


def list_passages(
    connection: Connection,
    asset_id: str,
    track: PassageTrack,
    *,
    first: int = 0,
    limit: int = 1000,
) -> list[StoredPassage]:
    """Return passages of a video's track by number, from the number ``first`` on."""
    query = (
        select(*_READ)
        .where(_COLUMNS.asset_id == asset_id, _COLUMNS.track == track.value)
        .where(_COLUMNS.number >= first)
        .order_by(_COLUMNS.number)
        .limit(limit)
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def list_passage_ids(
    connection: Connection, asset_id: str, tracks: Collection[PassageTrack]
) -> list[str]:
    """Return the ids of all passages of a video's tracks, in order. They change with the texts."""
    query = (
        select(_COLUMNS.id)
        .where(_COLUMNS.asset_id == asset_id)
        .where(_COLUMNS.track.in_([track.value for track in tracks]))
        .order_by(_COLUMNS.id)
    )
    return [str(one) for one in connection.execute(query).scalars()]


def count_passages(connection: Connection, asset_id: str) -> dict[PassageTrack, int]:
    """Return how many passages of each track a video has; tracks without any are left out."""
    query = text(
        "SELECT track, count(*) AS passages FROM passage WHERE asset_id = :asset_id GROUP BY track"
    )
    rows = connection.execute(query, {"asset_id": asset_id})
    return {PassageTrack(row.track): row.passages for row in rows}


def find_unknown_words(connection: Connection, owner: str, words: Sequence[str]) -> list[str]:
    """Return those of the words, in any case, that no passage of this owner contains.

    Words that are too short, too long or contain digits count as known: no similar ones are kept
    for them.
    """
    asked = [
        word
        for word in words
        if LEAST_WORD_LENGTH <= len(word) <= LONGEST_WORD_LENGTH
        and not any(letter.isdigit() for letter in word)
    ]
    rows = connection.execute(_UNKNOWN, {"owner": owner, "words": asked})
    return list(rows.scalars())


def refresh_statistics(database: Database) -> None:
    """Let PostgreSQL count how common each word of the passages is.

    It does so by itself some time after many were added. Ranks of words rest on it, so that whoever
    measures them right after filling does it first.
    """
    with open_patient_connection(database) as connection:
        connection.exec_driver_sql("ANALYZE passage")


def read_words(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return an array of words as passages have it; None where the column is empty."""
    return None if words is None else tuple(words)


def parse_ids(ids: Collection[str]) -> list[UUID]:
    """Return ids as the database compares them; without texts that cannot be one."""
    found = []
    for one in ids:
        try:
            found.append(UUID(one))
        except ValueError:
            continue
    return found


def _write(identity: str, passage: Passage) -> dict[str, Any]:
    return {
        "id": identity,
        "number": passage.number,
        "start_ms": passage.start_ms,
        "end_ms": passage.end_ms,
        "text": passage.text,
        "language": passage.language,
        "speaker": passage.speaker,
        "frame_ms": passage.frame_ms,
        "unsure_words": None if passage.unsure_words is None else [*passage.unsure_words],
    }


def _read(row: RowMapping) -> StoredPassage:
    return StoredPassage(
        id=str(row["id"]),
        asset_id=row["asset_id"],
        owner=row["owner"],
        passage=Passage(
            number=row["number"],
            track=PassageTrack(row["track"]),
            start_ms=row["start_ms"],
            end_ms=row["end_ms"],
            text=row["text"],
            language=row["language"],
            speaker=row["speaker"],
            frame_ms=row["frame_ms"],
            unsure_words=read_words(row["unsure_words"]),
        ),
    )
