"""Statements about an entity, each with the moment of a video that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from cinemill.core.knowledge.graph import RelationKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.storage.retrieval.passages import parse_ids

_LIST = text(
    """
    WITH members AS MATERIALIZED (
        SELECT id FROM entity WHERE owner = :owner AND canonical_id IN (
            SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:ids))
    ), evidence AS (
        SELECT r.* FROM members JOIN relation_evidence AS r ON r.subject_id = members.id
        UNION
        SELECT r.* FROM members JOIN relation_evidence AS r ON r.object_id = members.id
    )
    SELECT evidence.*, subject.canonical_id AS subject_root, object.canonical_id AS object_root,
           passage.text AS passage_text
    FROM evidence JOIN entity AS subject ON subject.id = evidence.subject_id
    JOIN entity AS object ON object.id = evidence.object_id
    JOIN asset ON asset.id = evidence.asset_id AND asset.owner = :owner
    LEFT JOIN passage ON passage.id = evidence.passage_id AND passage.owner = :owner
    WHERE asset.deletion_ends IS NULL
      AND (cardinality(CAST(:collections AS text[])) = 0 OR asset.collection = ANY(:collections))
      AND evidence.kind = ANY(:kinds)
    ORDER BY evidence.is_negated, evidence.asset_id, evidence.start_ms, evidence.modality,
             evidence.number
    LIMIT :limit
    """
)
_EVIDENCE = text(
    """
    WITH member AS MATERIALIZED (
        SELECT id, canonical_id = (
            SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:ids)) AS is_asked,
            canonical_id = (SELECT canonical_id FROM entity
                            WHERE owner = :owner AND id = ANY(:other_ids)) AS is_other,
            canonical_id
        FROM entity WHERE owner = :owner AND canonical_id IN (
            SELECT canonical_id FROM entity
            WHERE owner = :owner AND id = ANY(CAST(:ids AS uuid[]) || CAST(:other_ids AS uuid[])))
    )
    SELECT evidence.*, subject.canonical_id AS subject_root, object.canonical_id AS object_root,
           passage.text AS passage_text
    FROM member AS subject JOIN relation_evidence AS evidence ON evidence.subject_id = subject.id
    JOIN member AS object ON object.id = evidence.object_id
    JOIN asset ON asset.id = evidence.asset_id AND asset.owner = :owner
    LEFT JOIN passage ON passage.id = evidence.passage_id AND passage.owner = :owner
    WHERE CASE WHEN :is_subject THEN subject.is_asked AND object.is_other
               ELSE object.is_asked AND subject.is_other END
      AND evidence.predicate = :predicate AND evidence.kind = :kind
      AND evidence.is_negated = :is_negated AND evidence.is_possible = :is_possible
      AND asset.deletion_ends IS NULL
      AND (cardinality(CAST(:collections AS text[])) = 0 OR asset.collection = ANY(:collections))
      AND (CAST(:asset_id AS text) IS NULL
           OR (evidence.asset_id, evidence.start_ms, evidence.modality, evidence.number)
              > (:asset_id, :start_ms, :modality, :number))
    ORDER BY evidence.asset_id, evidence.start_ms, evidence.modality, evidence.number LIMIT :limit
    """
)
_STATED = text(
    """
    SELECT evidence.*, subject.canonical_id AS subject_root, object.canonical_id AS object_root,
           '' AS passage_text
    FROM relation_evidence AS evidence JOIN entity AS subject ON subject.id = evidence.subject_id
    JOIN entity AS object ON object.id = evidence.object_id
    WHERE evidence.asset_id = :asset_id
    ORDER BY evidence.start_ms, evidence.modality, evidence.number LIMIT :limit
    """
)
_KINDS = tuple(RelationKind)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a video says or shows of two entities at one moment."""

    asset_id: str
    subject_id: str
    """Of the entity that the subject was merged into, if it was; so is the object's."""
    subject: str
    """As it is named there."""
    predicate: str
    object_id: str
    object: str
    kind: RelationKind
    start_ms: int
    end_ms: int
    passage_id: str | None
    text: str
    """Of the passage; empty where there is none."""
    is_negated: bool
    is_possible: bool
    according_to: str
    place: tuple[str, int, str, int]
    """The position that pages go on after."""


@dataclass(frozen=True, slots=True)
class RelationKey:
    """What distinguishes one relation of an entity from its others; evidence is counted by it."""

    other_id: str
    predicate: str
    kind: RelationKind
    is_subject: bool
    """Whether the entity that is asked about is the subject."""
    is_negated: bool
    is_possible: bool


def list_statements(
    connection: Connection,
    scope: SearchScope,
    entity_id: str,
    *,
    kinds: Sequence[RelationKind] = _KINDS,
    limit: int = 100,
) -> list[Statement]:
    """Return the evidence of an entity's relations: what is affirmed first, then by time.

    None for an entity of another owner, or of videos outside of the scope.
    """
    values = {
        "owner": scope.owner,
        "collections": [*scope.collections],
        "ids": parse_ids([entity_id]),
        "kinds": [kind.value for kind in kinds],
        "limit": limit,
    }
    return [_read(row) for row in connection.execute(_LIST, values)]


def list_evidence(
    connection: Connection,
    scope: SearchScope,
    entity_id: str,
    relation: RelationKey,
    *,
    after: tuple[str, int, str, int] | None = None,
    limit: int = 100,
) -> list[Statement]:
    """Return the evidence of one relation by video and time; what comes ``after`` a place.

    Ids of merged entities stand for the ones that they were merged into.
    """
    asset_id, start_ms, modality, number = after or (None, 0, "", 0)
    values = {
        "owner": scope.owner,
        "collections": [*scope.collections],
        "ids": parse_ids([entity_id]),
        "other_ids": parse_ids([relation.other_id]),
        "predicate": relation.predicate,
        "kind": relation.kind.value,
        "is_subject": relation.is_subject,
        "is_negated": relation.is_negated,
        "is_possible": relation.is_possible,
        "asset_id": asset_id,
        "start_ms": start_ms,
        "modality": modality,
        "number": number,
        "limit": limit,
    }
    return [_read(row) for row in connection.execute(_EVIDENCE, values)]


def list_stated(connection: Connection, asset_id: str, *, limit: int) -> list[Statement]:
    """Return what a video says or shows of entities, by time, without the passages' text."""
    rows = connection.execute(_STATED, {"asset_id": asset_id, "limit": limit})
    return [_read(row) for row in rows]


def _read(row: Row[Any]) -> Statement:
    return Statement(
        asset_id=row.asset_id,
        subject_id=str(row.subject_root),
        subject=row.subject_name,
        predicate=row.predicate,
        object_id=str(row.object_root),
        object=row.object_name,
        kind=RelationKind(row.kind),
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        passage_id=None if row.passage_id is None else str(row.passage_id),
        text=row.passage_text or "",
        is_negated=row.is_negated,
        is_possible=row.is_possible,
        according_to=row.according_to,
        place=(row.asset_id, row.start_ms, row.modality, row.number),
    )
