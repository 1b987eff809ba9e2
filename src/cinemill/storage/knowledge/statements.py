"""Statements about an entity, each with the moment of a video that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

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
    SELECT evidence.*, passage.text AS passage_text
    FROM evidence JOIN asset ON asset.id = evidence.asset_id AND asset.owner = :owner
    LEFT JOIN passage ON passage.id = evidence.passage_id AND passage.owner = :owner
    WHERE (cardinality(CAST(:collections AS text[])) = 0 OR asset.collection = ANY(:collections))
      AND evidence.kind = ANY(:kinds)
    ORDER BY evidence.is_negated, evidence.asset_id, evidence.start_ms, evidence.modality,
             evidence.number
    LIMIT :limit
    """
)
_KINDS = tuple(RelationKind)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a video says or shows of two entities at one moment."""

    asset_id: str
    subject_id: str
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
    return [
        Statement(
            asset_id=row.asset_id,
            subject_id=str(row.subject_id),
            subject=row.subject_name,
            predicate=row.predicate,
            object_id=str(row.object_id),
            object=row.object_name,
            kind=RelationKind(row.kind),
            start_ms=row.start_ms,
            end_ms=row.end_ms,
            passage_id=None if row.passage_id is None else str(row.passage_id),
            text=row.passage_text or "",
            is_negated=row.is_negated,
            is_possible=row.is_possible,
            according_to=row.according_to,
        )
        for row in connection.execute(_LIST, values)
    ]
