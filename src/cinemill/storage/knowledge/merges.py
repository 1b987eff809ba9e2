"""Merges of entities, each logged and reversible.

An entity that is merged keeps its row and its evidence and points at the other. So undoing a merge,
in any order with others, leaves exactly what was there without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, text

from cinemill.errors import Conflict, NotFound
from cinemill.storage.knowledge import tables
from cinemill.storage.retrieval.passages import parse_ids

_COLUMNS = tables.merge_log.c
_LIST = text(
    """
    SELECT merge_log.*, source.key AS source_name, target.key AS target_name
    FROM merge_log JOIN entity AS source ON source.id = merge_log.source_id
    JOIN entity AS target ON target.id = merge_log.target_id
    WHERE merge_log.owner = :owner AND merge_log.undone_at IS NULL
    ORDER BY merge_log.id DESC LIMIT :limit
    """
)
_LOCK_ASSETS = text(
    """
    WITH named AS MATERIALIZED (
        SELECT member.id FROM entity AS asked
        JOIN entity AS member ON member.canonical_id = asked.canonical_id
        WHERE asked.owner = :owner AND asked.id = ANY(:ids)
    )
    -- An array, which is made once: see storage.analyses.
    SELECT asset.id FROM asset WHERE asset.id = ANY (ARRAY(
        SELECT asset_id FROM named JOIN mention ON mention.entity_id = named.id
        UNION SELECT asset_id FROM named JOIN relation_evidence ON subject_id = named.id
        UNION SELECT asset_id FROM named JOIN relation_evidence ON object_id = named.id))
    ORDER BY asset.id FOR KEY SHARE
    """
)


@dataclass(frozen=True, slots=True)
class Merge:
    """A row of ``merge_log``."""

    id: int
    source_id: str
    """The entity that was merged …"""
    target_id: str
    """… into this one."""
    reason: str
    score: float | None
    decided_by: str
    """A person, or the rule that decided."""
    applied_at: datetime
    undone_at: datetime | None
    undone_by: str | None


@dataclass(frozen=True, slots=True)
class NamedMerge:
    """A merge with the names of its two entities, in lower case as they are compared."""

    merge: Merge
    source_name: str
    target_name: str


def merge_entities(
    connection: Connection,
    owner: str,
    source_id: str,
    target_id: str,
    *,
    reason: str,
    decided_by: str,
    score: float | None = None,
) -> Merge:
    """Merge an entity into another one of the same owner; both may be merged ones already.

    Raises NotFound (``entity_not_found``), Conflict (``entities_are_one``).
    """
    _lock(connection, owner)
    source = _find_root(connection, owner, source_id)
    target = _find_root(connection, owner, target_id)
    if source == target:
        raise Conflict("The two are one entity already.", code="entities_are_one")
    statement = (
        tables.merge_log.insert()
        .values(
            owner=owner,
            source_id=source,
            target_id=target,
            reason=reason,
            score=score,
            decided_by=decided_by,
        )
        .returning(*_COLUMNS)
    )
    row = connection.execute(statement).mappings().one()
    connection.execute(
        text("UPDATE entity SET merged_into = :target WHERE id = :source"),
        {"source": source, "target": target},
    )
    return _read(row)


def undo_merge(connection: Connection, owner: str, merge_id: int, *, undone_by: str) -> Merge:
    """Undo a merge; merges before and after it stay as they are.

    Raises NotFound (``merge_not_found``), Conflict (``merge_undone``).
    """
    _lock(connection, owner)
    query = select(tables.merge_log).where(_COLUMNS.id == merge_id, _COLUMNS.owner == owner)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"There is no merge {merge_id}.", code="merge_not_found")
    if row["undone_at"] is not None:
        raise Conflict(f"The merge {merge_id} is undone already.", code="merge_undone")
    connection.execute(
        text("UPDATE entity SET merged_into = NULL WHERE id = :source"),
        {"source": row["source_id"]},
    )
    undone = (
        tables.merge_log.update()
        .where(_COLUMNS.id == merge_id)
        .values(undone_at=text("clock_timestamp()"), undone_by=undone_by)
        .returning(*_COLUMNS)
    )
    return _read(connection.execute(undone).mappings().one())


def list_merges(connection: Connection, owner: str, *, limit: int = 100) -> list[NamedMerge]:
    """Return an owner's merges that are not undone, the latest first; at most ``limit``."""
    rows = connection.execute(_LIST, {"owner": owner, "limit": limit}).mappings()
    return [NamedMerge(_read(row), row["source_name"], row["target_name"]) for row in rows]


def lock_mentioning_assets(connection: Connection, owner: str, entity_ids: Collection[str]) -> None:
    """Keep the videos that mention or relate these entities until the transaction ends.

    Entities that are one with them count too; unknown ids do not. To be called before a merge if
    the videos are referred to afterwards: a deletion locks its video first and entities then, and
    the two would wait for each other.
    """
    connection.execute(_LOCK_ASSETS, {"owner": owner, "ids": parse_ids(entity_ids)})


def _lock(connection: Connection, owner: str) -> None:
    """Let an owner's merges happen one after the other: two at once could form a circle."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtext('merge'), hashtext(:owner))"), {"owner": owner}
    )


def _find_root(connection: Connection, owner: str, entity_id: str) -> object:
    query = text("SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:ids)")
    values = {"owner": owner, "ids": parse_ids([entity_id])}
    root = connection.execute(query, values).scalar_one_or_none()
    if root is None:
        raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")
    return root


def _read(row: RowMapping) -> Merge:
    return Merge(
        id=row["id"],
        source_id=str(row["source_id"]),
        target_id=str(row["target_id"]),
        reason=row["reason"],
        score=row["score"],
        decided_by=row["decided_by"],
        applied_at=row["applied_at"],
        undone_at=row["undone_at"],
        undone_by=row["undone_by"],
    )
