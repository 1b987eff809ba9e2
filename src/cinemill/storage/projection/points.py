"""Vectors with what they are filtered by, as Qdrant keeps and finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from cinemill.core.retrieval.hits import SearchFilters, SearchScope

if TYPE_CHECKING:
    from qdrant_client import models

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "owner": "keyword",
        "collection": "keyword",
        "asset_id": "keyword",
        "track": "keyword",
        "language": "keyword",
        "speaker": "keyword",
        "start_ms": "integer",
        "end_ms": "integer",
        "created_at": "datetime",
    }
)
"""What is kept with each vector, and the kind of Qdrant's index of it."""


@dataclass(frozen=True, slots=True)
class Point:
    """The vector of a passage, and what PostgreSQL knows of the passage."""

    passage_id: str
    vector: Sequence[float]
    owner: str
    collection: str
    asset_id: str
    track: str
    language: str
    speaker: str
    start_ms: int
    end_ms: int
    created_at: datetime
    """Of the video."""


def can_filter(filters: SearchFilters) -> bool:
    """Check whether all of these filters are kept with the vectors.

    Entities and labels are not: they change without their passages, and with those of others.
    """
    return not filters.entity_ids and not filters.labels


def write_point(point: Point) -> models.PointStruct:
    """Return a point as Qdrant takes it.

    Its id is the passage's, for each model has a collection of its own.
    """
    from qdrant_client import models

    payload = {name: getattr(point, name) for name in FIELDS}
    payload["created_at"] = point.created_at.isoformat()
    return models.PointStruct(id=point.passage_id, vector=[*point.vector], payload=payload)


def compose_filter(scope: SearchScope, filters: SearchFilters) -> models.Filter:
    """Return what a point must fulfil. The owner is always a part of it."""
    from qdrant_client import models

    def match_any(key: str, values: Sequence[str]) -> models.FieldCondition:
        return models.FieldCondition(key=key, match=models.MatchAny(any=[*values]))

    lists = {
        "collection": scope.collections,
        "asset_id": filters.asset_ids,
        "track": [track.value for track in filters.tracks],
        "language": filters.languages,
    }
    must: list[models.Condition] = [match_any("owner", [scope.owner])]
    must += [match_any(key, wanted) for key, wanted in lists.items() if wanted]
    if filters.speakers:
        # An empty speaker means unknown and cannot be searched for.
        must.append(match_any("speaker", [one for one in filters.speakers if one]))
    if filters.start_ms is not None:
        after = models.Range(gt=filters.start_ms)
        must.append(models.FieldCondition(key="end_ms", range=after))
    if filters.end_ms is not None:
        before = models.Range(lt=filters.end_ms)
        must.append(models.FieldCondition(key="start_ms", range=before))
    if filters.created_from is not None or filters.created_to is not None:
        created = models.DatetimeRange(
            gte=_read_in_utc(filters.created_from), lt=_read_in_utc(filters.created_to)
        )
        must.append(models.FieldCondition(key="created_at", range=created))
    return models.Filter(must=must)


def _read_in_utc(moment: datetime | None) -> datetime | None:
    """Return a time with its zone: without one it is in UTC, as PostgreSQL's sessions are."""
    return moment.replace(tzinfo=UTC) if moment is not None and not moment.tzinfo else moment
