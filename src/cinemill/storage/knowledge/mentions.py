"""How often names are mentioned in a library."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from cinemill.core.knowledge.gazetteer import KnownName
from cinemill.storage.knowledge.names import entity_key

_COUNT = text(
    """
    SELECT asked.kind, asked.key, count(*) AS number
    FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[])) AS asked (kind, key)
    JOIN entity ON entity.owner = :owner AND entity.kind = asked.kind AND entity.key = asked.key
    JOIN mention ON mention.entity_id = entity.id
    GROUP BY asked.kind, asked.key
    """
)


def count_mentions(
    connection: Connection, owner: str, names: Sequence[KnownName]
) -> dict[KnownName, int]:
    """Return how often an owner's videos mention each of these names.

    Those that no video mentions are left out.
    """
    keys = {name: (name.kind.value, entity_key(name.name)) for name in names}
    asked = sorted(set(keys.values()))
    rows = connection.execute(
        _COUNT,
        {"owner": owner, "kinds": [kind for kind, _ in asked], "keys": [key for _, key in asked]},
    )
    counts = {(row.kind, row.key): int(row.number) for row in rows}
    return {name: counts[key] for name, key in keys.items() if key in counts}


def count_mentioned(connection: Connection, asset_id: str, *, limit: int) -> dict[str, int]:
    """Return how often a video mentions each entity, by id: the most frequent first.

    Merged entities count as the one they were merged into.
    """
    rows = connection.execute(
        text(
            """
            SELECT entity.canonical_id, count(*) AS number
            FROM mention JOIN entity ON entity.id = mention.entity_id
            WHERE mention.asset_id = :asset_id
            GROUP BY entity.canonical_id ORDER BY number DESC, entity.canonical_id LIMIT :limit
            """
        ),
        {"asset_id": asset_id, "limit": limit},
    )
    return {str(row.canonical_id): int(row.number) for row in rows}
