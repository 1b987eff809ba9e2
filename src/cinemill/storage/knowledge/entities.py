"""Entities as they are read: with their names, moments, relations and neighbours, all counted.

An id of an entity that was merged into another stands for the other everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.knowledge.graph import EntityKind, Modality, RelationKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.errors import NotFound
from cinemill.storage.knowledge.names import entity_key
from cinemill.storage.retrieval.passages import parse_ids

MOST_EVIDENCE = 2000
"""Rows of an entity that are counted for its neighbours."""

_MEMBERS = """
members AS MATERIALIZED (
    SELECT id, canonical_id FROM entity WHERE owner = :owner AND canonical_id = (
        SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:ids))
)"""

_GET = text(
    f"""
    WITH {_MEMBERS}, named AS (
        SELECT mention.name, count(*) AS number FROM members
        JOIN mention ON mention.entity_id = members.id GROUP BY mention.name
    )
    SELECT entity.id, entity.kind, entity.key, ARRAY(
        SELECT name FROM named ORDER BY number DESC, name) AS names,
        (SELECT coalesce(sum(number), 0) FROM named) AS mention_count,
        (SELECT count(DISTINCT asset_id) FROM members JOIN mention
         ON mention.entity_id = members.id) AS asset_count
    FROM entity WHERE id = (SELECT canonical_id FROM members LIMIT 1)
    """  # noqa: S608
)
_FIND = text(
    """
    SELECT asked.key AS key, entity.canonical_id AS id
    FROM unnest(CAST(:keys AS text[])) AS asked (key)
    CROSS JOIN unnest(CAST(:kinds AS text[])) AS possible (kind)
    JOIN entity ON entity.owner = :owner AND entity.kind = possible.kind AND entity.key = asked.key
    ORDER BY asked.key, entity.canonical_id
    """
)
_SIMILAR = text(
    """
    SELECT id, canonical_id, kind, key, similarity(key, :key) AS score FROM entity
    WHERE owner = :owner AND key % :key ORDER BY score DESC, id LIMIT :limit
    """
)
_MOMENTS = text(
    f"""
    WITH {_MEMBERS}
    SELECT mention.asset_id, modality, number, passage_id, name, start_ms, end_ms, is_inferred
    FROM members JOIN mention ON mention.entity_id = members.id
    JOIN asset ON asset.id = mention.asset_id
    WHERE asset.deletion_ends IS NULL
      AND (cardinality(CAST(:collections AS text[])) = 0 OR asset.collection = ANY(:collections))
      AND (CAST(:asset_id AS text) IS NULL
           OR (mention.asset_id, start_ms, modality, number)
              > (:asset_id, :start_ms, :modality, :number))
    ORDER BY mention.asset_id, start_ms, modality, number LIMIT :limit
    """  # noqa: S608
)
_RELATIONS = text(
    f"""
    WITH {_MEMBERS}, evidence AS (
        SELECT * FROM (
            SELECT r.*, r.object_id AS other_id, true AS is_subject
            FROM members JOIN relation_evidence AS r ON r.subject_id = members.id
            UNION ALL
            SELECT r.*, r.subject_id, false
            FROM members JOIN relation_evidence AS r ON r.object_id = members.id
        ) AS every
        WHERE cardinality(CAST(:collections AS text[])) = 0 OR
            (SELECT collection FROM asset WHERE id = every.asset_id) = ANY(:collections)
        LIMIT {MOST_EVIDENCE}
    )
    SELECT other.canonical_id AS id, predicate, evidence.kind, is_subject, is_negated, is_possible,
           count(*) AS weight, count(DISTINCT asset_id) AS asset_count
    FROM evidence JOIN entity AS other ON other.id = evidence.other_id
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY weight DESC, 1, 2, 3, 4, 5, 6 LIMIT :limit
    """  # noqa: S608
)
_CO_OCCURRENCES = text(
    f"""
    WITH {_MEMBERS}, here AS MATERIALIZED (
        SELECT DISTINCT passage.id FROM members JOIN mention ON mention.entity_id = members.id
        JOIN passage ON passage.id = mention.passage_id AND passage.owner = :owner
        WHERE cardinality(CAST(:collections AS text[])) = 0
            OR passage.collection = ANY(:collections)
        LIMIT {MOST_EVIDENCE}
    ), together AS MATERIALIZED (
        SELECT other.canonical_id AS id, count(DISTINCT here.id) AS number
        FROM here JOIN mention ON mention.passage_id = here.id
        JOIN entity AS other ON other.id = mention.entity_id
        WHERE other.id NOT IN (SELECT id FROM members)
        GROUP BY 1 ORDER BY number DESC, 1 LIMIT :limit
    )
    SELECT id, number, (SELECT count(*) FROM here) AS here,
        (SELECT count(DISTINCT mention.passage_id) FROM entity JOIN mention
         ON mention.entity_id = entity.id JOIN passage ON passage.id = mention.passage_id
         WHERE entity.canonical_id = together.id AND passage.owner = :owner
           AND (cardinality(CAST(:collections AS text[])) = 0
                OR passage.collection = ANY(:collections))) AS there,
        (SELECT count(*) FROM passage WHERE passage.owner = :owner AND track <> 'keyframe'
           AND (cardinality(CAST(:collections AS text[])) = 0
                OR passage.collection = ANY(:collections))) AS every
    FROM together ORDER BY number DESC, id
    """  # noqa: S608
)


_PROFILES = text(
    """
    WITH root AS (
        SELECT id, kind, key FROM entity WHERE owner = :owner AND merged_into IS NULL
        ORDER BY id LIMIT :limit
    ), spelling AS (
        SELECT DISTINCT ON (root.id) root.id, mention.name
        FROM root JOIN entity ON entity.canonical_id = root.id
        JOIN mention ON mention.entity_id = entity.id
        GROUP BY root.id, mention.name
        ORDER BY root.id, count(*) DESC, mention.name
    ), pair AS MATERIALIZED (
        SELECT DISTINCT one.canonical_id AS first, other.canonical_id AS second
        FROM entity AS one JOIN relation_evidence AS said ON said.subject_id = one.id
        JOIN entity AS other ON other.id = said.object_id
        WHERE one.owner = :owner AND one.canonical_id <> other.canonical_id
    ), edge AS (
        SELECT first AS id, second AS neighbor FROM pair
        UNION SELECT second, first FROM pair
    )
    SELECT root.id, root.kind, coalesce(spelling.name, root.key) AS name,
           coalesce(array_agg(DISTINCT edge.neighbor ORDER BY edge.neighbor)
                    FILTER (WHERE edge.neighbor IS NOT NULL), '{}') AS neighbors
    FROM root LEFT JOIN spelling ON spelling.id = root.id LEFT JOIN edge ON edge.id = root.id
    GROUP BY root.id, root.kind, spelling.name, root.key ORDER BY root.id
    """
)


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of an owner, with those that were merged into it."""

    id: str
    kind: EntityKind
    name: str
    """The most frequent spelling."""
    names: tuple[str, ...]
    """All spellings, the most frequent first."""
    mention_count: int
    asset_count: int


@dataclass(frozen=True, slots=True)
class EntityNeighbors:
    """An entity by its most frequent spelling, and the entities that statements connect it with."""

    id: str
    kind: EntityKind
    name: str
    neighbors: tuple[str, ...]
    """Ids, sorted."""


@dataclass(frozen=True, slots=True)
class SimilarEntity:
    """An entity whose name looks like another; a suggestion, for different people share names."""

    id: str
    canonical_id: str
    kind: EntityKind
    key: str
    score: float
    """Share of common trigrams, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an entity is mentioned or seen. ``place`` is the position that pages go on after."""

    asset_id: str
    modality: Modality
    passage_id: str | None
    name: str
    start_ms: int
    end_ms: int
    is_inferred: bool
    place: tuple[str, int, str, int]


@dataclass(frozen=True, slots=True)
class EntityRelation:
    """An edge of the graph, counted from its evidence."""

    entity_id: str
    """The other entity."""
    predicate: str
    kind: RelationKind
    is_subject: bool
    """Whether the entity that was asked about is the subject."""
    is_negated: bool
    is_possible: bool
    weight: int
    """Pieces of evidence."""
    asset_count: int


@dataclass(frozen=True, slots=True)
class CoOccurrence:
    """An entity that is mentioned in the same passages; how the two relate is not known."""

    entity_id: str
    passage_count: int
    npmi: float
    """Normalised pointwise mutual information, −1 to 1; 0 where it is what chance would give."""


def get_entity(connection: Connection, owner: str, entity_id: str) -> Entity:
    """Return an entity. Raises NotFound (``entity_not_found``), also for another owner's."""
    values = {"owner": owner, "ids": parse_ids([entity_id])}
    row = connection.execute(_GET, values).mappings().first()
    if row is None:
        raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")
    names = tuple(row["names"]) or (row["key"],)
    return Entity(
        id=str(row["id"]),
        kind=EntityKind(row["kind"]),
        name=names[0],
        names=names,
        mention_count=int(row["mention_count"]),
        asset_count=int(row["asset_count"]),
    )


def find_entities(connection: Connection, owner: str, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of an owner's entities of these names, of any kind; by name, if there are any.

    A name may mean several entities, such as a person and a place.
    """
    keys = {name: entity_key(name) for name in names}
    values = {
        "owner": owner,
        "keys": sorted({key for key in keys.values() if key}),
        "kinds": [kind.value for kind in EntityKind],
    }
    found: dict[str, list[str]] = {}
    for row in connection.execute(_FIND, values):
        ids = found.setdefault(row.key, [])
        if str(row.id) not in ids:
            ids.append(str(row.id))
    return {name: found[key] for name, key in keys.items() if key in found}


def list_profiles(connection: Connection, owner: str, *, limit: int) -> list[EntityNeighbors]:
    """Return an owner's entities with what statements connect them with, by id; at most ``limit``.

    Merged entities count as the one they were merged into.
    """
    rows = connection.execute(_PROFILES, {"owner": owner, "limit": limit})
    return [
        EntityNeighbors(str(row.id), EntityKind(row.kind), row.name, tuple(map(str, row.neighbors)))
        for row in rows
    ]


def has_more_entities(connection: Connection, owner: str, number: int) -> bool:
    """Check whether an owner has more entities than this; merged ones count as one."""
    query = text(
        """
        SELECT count(*) FROM (
            SELECT FROM entity WHERE owner = :owner AND merged_into IS NULL LIMIT :limit) AS first
        """
    )
    values = {"owner": owner, "limit": number + 1}
    return bool(connection.execute(query, values).scalar_one() > number)


def find_similar_entities(
    connection: Connection, owner: str, name: str, *, limit: int = 10
) -> list[SimilarEntity]:
    """Return entities whose names share trigrams with this one, the most similar first."""
    values = {"owner": owner, "key": entity_key(name), "limit": limit}
    return [
        SimilarEntity(
            str(row.id), str(row.canonical_id), EntityKind(row.kind), row.key, float(row.score)
        )
        for row in connection.execute(_SIMILAR, values)
    ]


def list_moments(
    connection: Connection,
    scope: SearchScope,
    entity_id: str,
    *,
    after: tuple[str, int, str, int] | None = None,
    limit: int = 100,
) -> list[Moment]:
    """Return where an entity is mentioned or seen, by video and time; those ``after`` a place."""
    asset_id, start_ms, modality, number = after or (None, 0, "", 0)
    values = {
        "owner": scope.owner,
        "collections": [*scope.collections],
        "ids": parse_ids([entity_id]),
        "asset_id": asset_id,
        "start_ms": start_ms,
        "modality": modality,
        "number": number,
        "limit": limit,
    }
    return [
        Moment(
            asset_id=row.asset_id,
            modality=Modality(row.modality),
            passage_id=None if row.passage_id is None else str(row.passage_id),
            name=row.name,
            start_ms=row.start_ms,
            end_ms=row.end_ms,
            is_inferred=row.is_inferred,
            place=(row.asset_id, row.start_ms, row.modality, row.number),
        )
        for row in connection.execute(_MOMENTS, values)
    ]


def list_relations(
    connection: Connection, scope: SearchScope, entity_id: str, *, limit: int = 100
) -> list[EntityRelation]:
    """Return an entity's relations, those with the most evidence first."""
    rows = connection.execute(_RELATIONS, _scope_values(scope, entity_id, limit))
    return [
        EntityRelation(
            entity_id=str(row.id),
            predicate=row.predicate,
            kind=RelationKind(row.kind),
            is_subject=row.is_subject,
            is_negated=row.is_negated,
            is_possible=row.is_possible,
            weight=row.weight,
            asset_count=row.asset_count,
        )
        for row in rows
    ]


def list_co_occurrences(
    connection: Connection, scope: SearchScope, entity_id: str, *, limit: int = 50
) -> list[CoOccurrence]:
    """Return entities in the same passages, those with the most such passages first."""
    rows = connection.execute(_CO_OCCURRENCES, _scope_values(scope, entity_id, limit))
    return [
        CoOccurrence(
            str(row.id), row.number, measure_npmi(row.number, row.here, row.there, row.every)
        )
        for row in rows
    ]


def measure_npmi(both: int, first: int, second: int, every: int) -> float:
    """Return the normalised pointwise mutual information of two that occur together, −1 to 1.

    All four are numbers of passages that have a text: with both, with each, and in all.
    """
    if both == 0:
        return -1.0
    if both >= every:
        return 1.0
    share = both / every
    return math.log(share * every / first * every / second) / -math.log(share)


def _scope_values(scope: SearchScope, entity_id: str, limit: int) -> dict[str, object]:
    return {
        "owner": scope.owner,
        "collections": [*scope.collections],
        "ids": parse_ids([entity_id]),
        "limit": limit,
    }
