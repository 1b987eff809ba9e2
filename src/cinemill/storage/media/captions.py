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


def find_captions(connection: Connection, asset_id: str) -> dict[str, CaptionSet]:
    """Return the current captions of each language: a person's edit, else the newest of a model."""
    found: dict[str, CaptionSet] = {}
    for one in sorted(_list_sets(connection, asset_id), key=_rank):
        found[one.language] = one
    return found


def find_newest(connection: Connection, asset_id: str) -> CaptionSet | None:
    """Of what holds in each language, what was made last."""
    held = find_captions(connection, asset_id).values()
    return max(held, key=lambda one: one.created_at, default=None)


def _rank(one: CaptionSet) -> tuple[bool, datetime]:
    return one.is_corrected, one.created_at


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
