"""What is named and stated in each passage of one video."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.knowledge.graph import EntityKind, RelationKind

MOST_ROWS = 200_000
"""Mentions of one video that are read; twelve hours of speech have fewer."""
_UNNAMED = (EntityKind.DATE, EntityKind.QUANTITY)

_NAMES = text(
    """
    SELECT mention.passage_id, entity.canonical_id, mention.name
    FROM mention JOIN entity ON entity.id = mention.entity_id
    WHERE mention.asset_id = :asset_id AND mention.passage_id IS NOT NULL
      AND NOT mention.is_inferred AND entity.kind <> ALL(CAST(:unnamed AS text[]))
    ORDER BY mention.start_ms, mention.modality, mention.number LIMIT :limit
    """
)
_STATEMENTS = text(
    """
    SELECT passage_id, count(*) AS number FROM relation_evidence
    WHERE asset_id = :asset_id AND passage_id IS NOT NULL AND kind = :kind
      AND NOT is_negated AND NOT is_possible
    GROUP BY passage_id
    """
)


@dataclass(frozen=True, slots=True)
class PassageName:
    """An entity that a passage names."""

    entity_id: str
    """Of the entity that it was merged into, if it was."""
    name: str
    """As it is said or written there."""


def list_passage_names(connection: Connection, asset_id: str) -> dict[str, list[PassageName]]:
    """Return the entities that each passage of a video names, in order, by the passage's id.

    Pronouns that stand for one, dates and quantities are left out.
    """
    values = {
        "asset_id": asset_id,
        "unnamed": [kind.value for kind in _UNNAMED],
        "limit": MOST_ROWS,
    }
    found: dict[str, list[PassageName]] = {}
    for row in connection.execute(_NAMES, values):
        named = PassageName(str(row.canonical_id), row.name)
        found.setdefault(str(row.passage_id), []).append(named)
    return found


def count_passage_statements(connection: Connection, asset_id: str) -> dict[str, int]:
    """Return how many relations each passage of a video affirms, by the passage's id."""
    values = {"asset_id": asset_id, "kind": RelationKind.STATED.value}
    rows = connection.execute(_STATEMENTS, values)
    return {str(row.passage_id): row.number for row in rows}
