"""Collections: names that an owner's videos have in common. There are no rows but the videos'."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

_LIST = text(
    """
    SELECT collection AS name, count(*) AS asset_count FROM asset
    WHERE owner = :owner AND collection <> '' AND collection > :after AND deletion_ends IS NULL
    GROUP BY collection ORDER BY collection LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that has at least one video that stays."""

    name: str
    asset_count: int


def list_collections(
    connection: Connection, owner: str, *, after: str = "", limit: int = 100
) -> list[Collection]:
    """Return an owner's collections by name, those that come ``after`` one."""
    values = {"owner": owner, "after": after, "limit": limit}
    return [Collection(row.name, row.asset_count) for row in connection.execute(_LIST, values)]
