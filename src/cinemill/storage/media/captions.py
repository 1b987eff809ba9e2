"""The captions of a video, as one set of four files per language, by a model or a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from cinemill.core.media import Artifact, ArtifactKind
from cinemill.storage import tables
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles

UNKNOWN_LANGUAGE = "und"
"""ISO 639's word for it: what has an address needs a name."""
INGESTION_VARIANT = "ingestion"
"""Of the captions that an ingestion leaves: at most one set for each video. Those of a job are
named by the work, and a person's by their language."""
KINDS = (
    ArtifactKind.CAPTIONS_SRT,
    ArtifactKind.CAPTIONS_VTT,
    ArtifactKind.CAPTIONS_TEXT,
    ArtifactKind.CAPTIONS_JSON,
)


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """The same captions in every form."""

    asset_id: str
    variant: str
    step_key: str
    files: Mapping[ArtifactKind, Artifact]
    created_at: datetime

    @property
    def version(self) -> str:
        """Names what they say: the hash of the form that has everything."""
        return self.files[ArtifactKind.CAPTIONS_JSON].sha256

    @property
    def language(self) -> str:
        return self.files[ArtifactKind.CAPTIONS_JSON].facts.get("language") or UNKNOWN_LANGUAGE

    @property
    def model(self) -> str:
        """That transcribed them, before anybody corrected them; empty where none did."""
        return str(self.files[ArtifactKind.CAPTIONS_JSON].facts.get("model", ""))

    @property
    def is_corrected(self) -> bool:
        """Check whether a person edited them last."""
        return "corrected_by" in self.files[ArtifactKind.CAPTIONS_JSON].facts

    @property
    def is_requested(self) -> bool:
        """Check whether a person or a job for captions made them, not an ingestion."""
        return self.variant != INGESTION_VARIANT


def find_captions(connection: Connection, asset_id: str) -> dict[str, CaptionSet]:
    """Return the current captions of each language.

    They are a person's edit, else the newest of a job for captions, else those of an ingestion.
    """
    found: dict[str, CaptionSet] = {}
    for one in sorted(_list_sets(connection, asset_id), key=_rank):
        found[one.language] = one
    return found


def find_newest(connection: Connection, asset_id: str) -> CaptionSet | None:
    """Return the newest of the current captions; an ingestion's only where there are no others."""
    held = find_captions(connection, asset_id).values()
    return max(held, key=lambda one: (one.is_requested, one.created_at), default=None)


def find_ingestion_captions(connection: Connection, asset_id: str) -> CaptionSet | None:
    """Return the captions that an ingestion left, also where others take precedence."""
    listed = _list_sets(connection, asset_id)
    return next((one for one in listed if not one.is_requested), None)


def _rank(one: CaptionSet) -> tuple[bool, bool, datetime]:
    return one.is_corrected, one.is_requested, one.created_at


def _list_sets(connection: Connection, asset_id: str) -> list[CaptionSet]:
    query = (
        select(tables.artifact)
        .where(tables.artifact.c.asset_id == asset_id)
        .where(tables.artifact.c.kind.in_([kind.value for kind in KINDS]))
    )
    files: dict[str, dict[ArtifactKind, assets.ArtifactRecord]] = {}
    for row in connection.execute(query).mappings():
        record = assets.read_record(row)
        files.setdefault(record.variant, {})[record.artifact.kind] = record
    # Captions that were made before there were all four forms have no language to be known by.
    return [_make_set(records) for records in files.values() if set(records) == set(KINDS)]


def _make_set(records: Mapping[ArtifactKind, assets.ArtifactRecord]) -> CaptionSet:
    last = records[ArtifactKind.CAPTIONS_JSON]
    return CaptionSet(
        last.asset_id,
        last.variant,
        last.step_key,
        {kind: record.artifact for kind, record in records.items()},
        last.created_at,
    )


def forget_captions(connection: Connection, one: CaptionSet) -> None:
    """Drop their rows; the collector removes files that nothing points at."""
    columns = tables.artifact.c
    connection.execute(
        tables.artifact.delete()
        .where(columns.asset_id == one.asset_id, columns.variant == one.variant)
        .where(columns.kind.in_([kind.value for kind in KINDS]))
    )


def read_caption_document(files: LocalFiles, one: CaptionSet) -> dict[str, Any]:
    """All that is known of them: ``captions``, ``utterances``, how they came to be."""
    with files.open(one.version) as file:
        document: dict[str, Any] = json.load(file)
    return document
