"""Rows of what a video says and shows of entities: mentions and the evidence of relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from cinemill.core.knowledge.graph import EntityKind, Mention, Modality, Relation, TextSpan
from cinemill.errors import NotFound
from cinemill.storage.json_columns import json_parameter
from cinemill.storage.knowledge.names import entity_id, entity_key

_LOCK = text("SELECT owner FROM asset WHERE id = :asset_id FOR NO KEY UPDATE")

_BEFORE = text(
    """
    SELECT entity_id FROM mention WHERE asset_id = :asset_id AND modality = :modality
    UNION SELECT subject_id FROM relation_evidence
    WHERE asset_id = :asset_id AND modality = :modality
    UNION SELECT object_id FROM relation_evidence
    WHERE asset_id = :asset_id AND modality = :modality
    """
)

# An update that changes nothing takes the row's lock: a transaction that removes orphans waits
# until the evidence is there.
_ENTITIES = text(
    """
    INSERT INTO entity (id, owner, kind, key, canonical_id)
    SELECT id, :owner, kind, key, id
    FROM jsonb_to_recordset(:entities) AS found (id uuid, kind text, key text)
    ORDER BY id ON CONFLICT (id) DO UPDATE SET key = excluded.key
    """
).bindparams(json_parameter("entities"))

_MENTIONS = text(
    """
    INSERT INTO mention (asset_id, modality, number, entity_id, passage_id, name, start_ms, end_ms,
                         span_start, span_end, confidence, is_inferred)
    SELECT :asset_id, :modality, found.number, entity_id, passage.id, name, found.start_ms,
           found.end_ms, span_start, span_end, confidence, is_inferred
    FROM jsonb_to_recordset(:rows) AS found (
        number int, entity_id uuid, passage_id uuid, name text, start_ms bigint, end_ms bigint,
        span_start int, span_end int, confidence float8, is_inferred bool)
    LEFT JOIN passage ON passage.id = found.passage_id AND passage.asset_id = :asset_id
    ON CONFLICT (asset_id, modality, number) DO UPDATE SET
        entity_id = excluded.entity_id, passage_id = excluded.passage_id, name = excluded.name,
        start_ms = excluded.start_ms, end_ms = excluded.end_ms, span_start = excluded.span_start,
        span_end = excluded.span_end, confidence = excluded.confidence,
        is_inferred = excluded.is_inferred
    """
).bindparams(json_parameter("rows"))

_RELATIONS = text(
    """
    INSERT INTO relation_evidence (asset_id, modality, number, subject_id, predicate, object_id,
        subject_name, object_name, kind, passage_id, start_ms, end_ms, span_start, span_end,
        is_negated, is_possible, according_to, confidence)
    SELECT :asset_id, :modality, found.number, subject_id, predicate, object_id, subject_name,
           object_name, kind, passage.id, found.start_ms, found.end_ms, span_start, span_end,
           is_negated, is_possible, according_to, confidence
    FROM jsonb_to_recordset(:rows) AS found (
        number int, subject_id uuid, predicate text, object_id uuid, subject_name text,
        object_name text, kind text, passage_id uuid, start_ms bigint, end_ms bigint,
        span_start int, span_end int, is_negated bool, is_possible bool, according_to text,
        confidence float8)
    LEFT JOIN passage ON passage.id = found.passage_id AND passage.asset_id = :asset_id
    ON CONFLICT (asset_id, modality, number) DO UPDATE SET
        subject_id = excluded.subject_id, predicate = excluded.predicate,
        object_id = excluded.object_id, subject_name = excluded.subject_name,
        object_name = excluded.object_name, kind = excluded.kind,
        passage_id = excluded.passage_id, start_ms = excluded.start_ms, end_ms = excluded.end_ms,
        span_start = excluded.span_start, span_end = excluded.span_end,
        is_negated = excluded.is_negated, is_possible = excluded.is_possible,
        according_to = excluded.according_to, confidence = excluded.confidence
    """
).bindparams(json_parameter("rows"))

_REST_OF_MENTIONS = text(
    """
    DELETE FROM mention
    WHERE asset_id = :asset_id AND modality = :modality AND number >= :count
    """
)
_REST_OF_RELATIONS = text(
    """
    DELETE FROM relation_evidence
    WHERE asset_id = :asset_id AND modality = :modality AND number >= :count
    """
)
_FORGET_MENTIONS = text("DELETE FROM mention WHERE asset_id = :asset_id AND passage_id = ANY(:ids)")
_FORGET_RELATIONS = text(
    "DELETE FROM relation_evidence WHERE asset_id = :asset_id AND passage_id = ANY(:ids)"
)


@dataclass(frozen=True, slots=True)
class PassageEvidence:
    """What one passage says or shows."""

    passage_id: str | None
    """None for what belongs to no passage."""
    mentions: Sequence[Mention]
    relations: Sequence[Relation] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """How rows of one table are written over those of before."""

    write: TextClause
    delete_rest: TextClause


MENTIONS = _Table(_MENTIONS, _REST_OF_MENTIONS)
RELATIONS = _Table(_RELATIONS, _REST_OF_RELATIONS)
Rows = dict[_Table, list[dict[str, Any]]]
Names = dict[str, tuple[UUID, EntityKind, str]]
"""By key: the entity's id, its kind and its key."""


def save_evidence(
    connection: Connection,
    asset_id: str,
    modality: Modality,
    evidence: Iterable[PassageEvidence],
) -> None:
    """Make this all that a video says or shows of entities and their relations in one modality.

    A name in a relation is the entity that its passage mentions by it, else the one that the
    video mentions, else a thing of this name. Entities that nothing refers to any more are
    removed; those that stay keep their merges.

    Raises NotFound (``asset_not_found``), ValueError where a mention has another modality.
    """
    rows = _make_rows(connection, asset_id, modality, list(evidence))
    _replace(connection, asset_id, modality, [MENTIONS, RELATIONS], rows)


def save_mentions(
    connection: Connection,
    asset_id: str,
    modality: Modality,
    evidence: Iterable[PassageEvidence],
) -> None:
    """Make these all mentions of entities in one modality of a video, and keep its relations.

    Raises as :func:`save_evidence` does.
    """
    mentions = [replace(one, relations=()) for one in evidence]
    rows = _make_rows(connection, asset_id, modality, mentions)
    _replace(connection, asset_id, modality, [MENTIONS], rows)


def forget_evidence(connection: Connection, asset_id: str, passage_ids: Iterable[str]) -> None:
    """Delete what passages of a video say of entities, before the passages themselves.

    Entities that nothing refers to any more are removed. A passage that is deleted first leaves its
    evidence in the graph, for evidence can be without one.
    """
    values = {"asset_id": asset_id, "ids": [UUID(one) for one in passage_ids]}
    connection.execute(_LOCK, {"asset_id": asset_id})
    connection.execute(_FORGET_RELATIONS, values)
    connection.execute(_FORGET_MENTIONS, values)


def _make_rows(
    connection: Connection, asset_id: str, modality: Modality, passages: Sequence[PassageEvidence]
) -> Rows:
    """Lock the video, create the entities that are named, and return what refers to them."""
    if any(one.modality is not modality for passage in passages for one in passage.mentions):
        raise ValueError(f"all mentions must have the modality {modality.value}")
    owner = connection.execute(_LOCK, {"asset_id": asset_id}).scalar_one_or_none()
    if owner is None:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    of_video: Names = {}
    rows: Rows = {MENTIONS: [], RELATIONS: []}
    entities: dict[UUID, dict[str, str]] = {}
    names_of_passages = [_name_entities(owner, passage.mentions) for passage in passages]
    for names in reversed(names_of_passages):
        of_video |= names
    for passage, names in zip(passages, names_of_passages, strict=True):
        resolver = _Resolver(owner, {**of_video, **names}, entities)
        rows[MENTIONS] += _write_mentions(passage, resolver)
        rows[RELATIONS] += _write_relations(passage, resolver)
    entity_rows = sorted(entities.values(), key=lambda row: row["id"])
    connection.execute(_ENTITIES, {"owner": owner, "entities": entity_rows})
    return rows


def _name_entities(owner: str, mentions: Iterable[Mention]) -> Names:
    """Return the entities that are mentioned by key; of several of one name, the first."""
    names: Names = {}
    for mention in mentions:
        key = entity_key(mention.name)
        if key and key not in names:
            names[key] = (entity_id(owner, mention.kind, key), mention.kind, key)
    return names


class _Resolver:
    """Finds the entity that a name means, and notes those that are needed."""

    def __init__(self, owner: str, names: Names, entities: dict[UUID, dict[str, str]]) -> None:
        self._owner = owner
        self._names = names
        self._entities = entities

    def of_mention(self, mention: Mention) -> UUID | None:
        key = entity_key(mention.name)
        return self._note(mention.kind, key) if key else None

    def of_name(self, name: str) -> UUID | None:
        key = entity_key(name)
        if not key:
            return None
        _, kind, _ = self._names.get(key, (None, EntityKind.THING, key))
        return self._note(kind, key)

    def _note(self, kind: EntityKind, key: str) -> UUID:
        identity = entity_id(self._owner, kind, key)
        self._entities[identity] = {"id": str(identity), "kind": kind.value, "key": key}
        return identity


def _write_mentions(passage: PassageEvidence, resolver: _Resolver) -> list[dict[str, Any]]:
    return [
        {
            "entity_id": str(identity),
            "passage_id": passage.passage_id,
            "name": mention.name,
            "start_ms": mention.start_ms,
            "end_ms": mention.end_ms,
            **_write_span(mention.span),
            "confidence": mention.confidence,
            "is_inferred": mention.is_inferred,
        }
        for mention in passage.mentions
        if (identity := resolver.of_mention(mention)) is not None
    ]


def _write_relations(passage: PassageEvidence, resolver: _Resolver) -> list[dict[str, Any]]:
    rows = []
    for relation in passage.relations:
        subject, object_ = resolver.of_name(relation.subject), resolver.of_name(relation.object)
        if subject is None or object_ is None:
            continue
        row = {
            "subject_id": str(subject),
            "predicate": relation.predicate,
            "object_id": str(object_),
            "subject_name": relation.subject,
            "object_name": relation.object,
            "kind": relation.kind.value,
            "passage_id": passage.passage_id,
            "start_ms": relation.start_ms,
            "end_ms": relation.end_ms,
            **_write_span(relation.span),
            "is_negated": relation.is_negated,
            "is_possible": relation.is_possible,
            "according_to": relation.according_to,
            "confidence": relation.confidence,
        }
        rows.append(row)
    return rows


def _write_span(span: TextSpan | None) -> dict[str, int | None]:
    if span is None:
        return {"span_start": None, "span_end": None}
    return {"span_start": span.start, "span_end": span.end}


def _replace(
    connection: Connection,
    asset_id: str,
    modality: Modality,
    tables: Sequence[_Table],
    rows: Mapping[_Table, Sequence[Mapping[str, object]]],
) -> None:
    """Write rows over those of the same number, and delete those that are left over.

    Deleted last: an entity that had evidence before and has some afterwards is never without, and
    so keeps its merges.
    """
    values = {"asset_id": asset_id, "modality": modality.value}
    before = connection.execute(_BEFORE, values).scalars().all()
    for table in tables:
        if rows[table]:
            numbered = [{**row, "number": number} for number, row in enumerate(rows[table])]
            connection.execute(table.write, {**values, "rows": numbered})
    for table in tables:
        connection.execute(table.delete_rest, {**values, "count": len(rows[table])})
    connection.execute(text("SELECT remove_orphan_entities(:ids)"), {"ids": [*before]})
