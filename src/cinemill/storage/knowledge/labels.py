"""What entities are called, for people who see an id."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.knowledge.graph import EntityKind
from cinemill.storage.retrieval.passages import parse_ids

_LABEL = text(
    """
    SELECT asked.id AS asked_id, entity.id, entity.kind, coalesce((
        SELECT mention.name FROM entity AS member JOIN mention ON mention.entity_id = member.id
        WHERE member.canonical_id = entity.id
        GROUP BY mention.name ORDER BY count(*) DESC, mention.name LIMIT 1), entity.key) AS name
    FROM entity AS asked JOIN entity ON entity.id = asked.canonical_id
    WHERE asked.owner = :owner AND asked.id = ANY(:ids)
    """
)


_NAMING_ASSETS = text(
    """
    WITH member AS MATERIALIZED (
        SELECT entity.id, shown.name, entity.key = shown.name AS has_key
        FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS shown (id, name)
        JOIN entity ON entity.canonical_id = shown.id AND entity.owner = :owner
    )
    SELECT asset_id FROM member JOIN mention ON mention.entity_id = member.id
    WHERE has_key OR mention.name = member.name
    UNION SELECT asset_id FROM member JOIN relation_evidence ON subject_id = member.id
    WHERE has_key OR subject_name = member.name
    UNION SELECT asset_id FROM member JOIN relation_evidence ON object_id = member.id
    WHERE has_key OR object_name = member.name
    """
)

_MENTIONING_ASSETS = text(
    """
    WITH wanted AS MATERIALIZED (
        SELECT id FROM entity WHERE owner = :owner AND id = ANY(CAST(:ids AS uuid[]))
    )
    SELECT asset_id FROM wanted JOIN mention ON mention.entity_id = wanted.id
    UNION SELECT asset_id FROM wanted JOIN relation_evidence ON subject_id = wanted.id
    UNION SELECT asset_id FROM wanted JOIN relation_evidence ON object_id = wanted.id
    """
)


_MENTIONED = text(
    """
    WITH found AS (
        SELECT entity_id AS id FROM mention WHERE asset_id = ANY(:ids)
        UNION SELECT subject_id FROM relation_evidence WHERE asset_id = ANY(:ids)
        UNION SELECT object_id FROM relation_evidence WHERE asset_id = ANY(:ids)
    )
    SELECT DISTINCT entity.canonical_id FROM found
    JOIN entity ON entity.id = found.id WHERE entity.owner = :owner
    """
)


@dataclass(frozen=True, slots=True)
class EntityLabel:
    """An entity's id, its kind and its most frequent spelling."""

    id: str
    kind: EntityKind
    name: str


def label_entities(
    connection: Connection, owner: str, entity_ids: Collection[str]
) -> dict[str, EntityLabel]:
    """Return what an owner's entities are called, by the id that was asked for.

    An entity that was merged into another is called as the other; unknown ids are left out.
    """
    rows = connection.execute(_LABEL, {"owner": owner, "ids": parse_ids(entity_ids)})
    return {
        str(row.asked_id): EntityLabel(str(row.id), EntityKind(row.kind), row.name) for row in rows
    }


def find_naming_assets(
    connection: Connection, owner: str, names: Mapping[str, str]
) -> frozenset[str]:
    """Return the videos of an owner that call entities by these names, by the entities' ids.

    A name that is an entity's key is that of every video that mentions or relates the entity.
    """
    values = {"owner": owner, "ids": [*names], "names": [*names.values()]}
    return frozenset(connection.execute(_NAMING_ASSETS, values).scalars())


def find_mentioning_assets(
    connection: Connection, owner: str, entity_ids: Collection[str]
) -> frozenset[str]:
    """Return the videos of an owner that mention or relate these entities, however spelt.

    Those that were merged into them do not count.
    """
    values = {"owner": owner, "ids": [*entity_ids]}
    return frozenset(connection.execute(_MENTIONING_ASSETS, values).scalars())


def find_mentioned(
    connection: Connection, owner: str, asset_ids: Collection[str]
) -> frozenset[str]:
    """Return the entities of an owner that these videos mention or relate.

    Merged entities count as the one they were merged into.
    """
    values = {"owner": owner, "ids": [*asset_ids]}
    return frozenset(map(str, connection.execute(_MENTIONED, values).scalars()))
