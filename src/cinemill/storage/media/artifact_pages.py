"""The files of a video page by page: one with streams has thousands."""

from __future__ import annotations

from sqlalchemy import Connection, select, tuple_

from cinemill.core.media import CACHED_KINDS
from cinemill.storage import tables
from cinemill.storage.media.assets import ArtifactRecord, read_record


def list_artifact_page(
    connection: Connection,
    asset_id: str,
    *,
    after: tuple[str, str] | None = None,
    limit: int = 100,
) -> list[ArtifactRecord]:
    """Return artifacts by kind and variant, those ``after`` a kind and variant.

    Those that are only kept to save work are left out.
    """
    columns = tables.artifact.c
    query = (
        select(tables.artifact)
        .where(columns.asset_id == asset_id)
        .where(columns.kind.not_in([kind.value for kind in CACHED_KINDS]))
        .order_by(columns.kind, columns.variant)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(columns.kind, columns.variant) > after)
    return [read_record(row) for row in connection.execute(query).mappings()]
