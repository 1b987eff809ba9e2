"""Stored vectors as points, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import Connection, text

from cinemill.storage.projection.points import Point
from cinemill.storage.retrieval.models import EmbeddingModel

_READ = """
    WITH page AS MATERIALIZED (
        SELECT passage_id, embedding FROM {partition} WHERE {among}
    )
    SELECT page.passage_id, CAST(page.embedding AS text) AS embedding, p.owner, p.collection,
           p.asset_id, p.track, p.language, p.speaker, p.start_ms, p.end_ms, asset.created_at
    FROM page JOIN passage AS p ON p.id = page.passage_id JOIN asset ON asset.id = p.asset_id
    ORDER BY page.passage_id
    """


def read_page(
    connection: Connection, model: EmbeddingModel, *, after: str, limit: int
) -> list[Point]:
    """Return at most so many of a model's vectors whose passages' ids come after this one."""
    among = "passage_id > CAST(:after AS uuid) ORDER BY passage_id LIMIT :limit"
    return _read(connection, model, among, {"after": after, "limit": limit})


def read_points(
    connection: Connection, model: EmbeddingModel, passage_ids: Sequence[str]
) -> list[Point]:
    """Return the vectors of these passages, as far as there are any."""
    ids = [UUID(one) for one in passage_ids]
    return _read(connection, model, "passage_id = ANY(:ids)", {"ids": ids})


def _read(
    connection: Connection, model: EmbeddingModel, among: str, values: Mapping[str, object]
) -> list[Point]:
    statement = text(_READ.format(partition=model.partition, among=among))
    return [
        Point(
            passage_id=str(row.passage_id),
            vector=HalfVector.from_text(row.embedding).to_list(),
            owner=row.owner,
            collection=row.collection,
            asset_id=row.asset_id,
            track=row.track,
            language=row.language,
            speaker=row.speaker,
            start_ms=row.start_ms,
            end_ms=row.end_ms,
            created_at=row.created_at,
        )
        for row in connection.execute(statement, values)
    ]
