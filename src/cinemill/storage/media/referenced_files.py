"""Which stored files the rows of assets and artifacts point at."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from cinemill.storage import tables


def list_referenced(connection: Connection, *, only: str | None = None) -> dict[str, int]:
    """Return every hash that a row points at, with the size in bytes that the row states.

    With ``only``, return just this hash, if a row points at it.
    """
    rows = connection.execute(
        text(
            """
            SELECT sha256, size_bytes FROM asset
            WHERE CAST(:only AS text) IS NULL OR sha256 = :only
            UNION SELECT sha256, size_bytes FROM artifact
            WHERE CAST(:only AS text) IS NULL OR sha256 = :only
            """
        ),
        {"only": only},
    )
    return {row.sha256: row.size_bytes for row in rows}


def list_sources(connection: Connection) -> frozenset[str]:
    """Return the hashes of the source videos."""
    return frozenset(connection.execute(select(tables.asset.c.sha256)).scalars())
