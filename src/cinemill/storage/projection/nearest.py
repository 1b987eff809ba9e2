"""The nearest passages by Qdrant, as one search asks for them.

Qdrant proposes ids and nothing else. PostgreSQL compares their vectors again and applies every
condition, so that a point that is out of date, or that Qdrant returns against its filter, is never
found. What changed since Qdrant was brought up to date is proposed as well.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.errors import DependencyUnavailable
from cinemill.storage.projection.points import can_filter
from cinemill.storage.projection.rows import Projection, find_ready, list_changes
from cinemill.storage.projection.server import CollectionMissing, Near, QdrantServer
from cinemill.storage.retrieval.models import EmbeddingModel

MOST_CHANGES = 5000
"""That are compared by PostgreSQL in each search; with more, it searches by itself."""


class ProjectedIndex:
    """Proposes passages to one search, and remembers why it could not."""

    def __init__(self, server: QdrantServer) -> None:
        self._server = server
        self.failure = ""
        """What a person should know; empty where nothing failed."""

    def propose(
        self, connection: Connection, model: EmbeddingModel, query: CandidateQuery
    ) -> list[UUID] | None:
        """Return ids among which the nearest passages are; None where PostgreSQL must search.

        That is so where no collection is complete, where filters are not kept with the vectors, and
        where Qdrant does not respond.
        """
        ready = find_ready(connection, model.id) if can_filter(query.filters) else None
        if ready is None:
            return None
        changes = list_changes(connection, model.id, limit=MOST_CHANGES + 1)
        if len(changes) > MOST_CHANGES:
            return None
        # So many of them may be out of date.
        limit = query.limit + len(changes)
        try:
            try:
                found = self._ask(ready, query, limit)
            except CollectionMissing:
                # It may have been dropped since, when another one took its place.
                other = find_ready(connection, model.id)
                if other is None:
                    return None
                if other == ready:
                    raise
                found = self._ask(other, query, limit)
        except DependencyUnavailable as error:
            self.failure = f"PostgreSQL's own index was searched. {error.message} {error.hint}"
            return None
        proposed = [one.passage_id for one in found] + [one.passage_id for one in changes]
        return [UUID(one) for one in dict.fromkeys(proposed)]

    def _ask(self, projection: Projection, query: CandidateQuery, limit: int) -> list[Near]:
        return self._server.find_nearest(
            projection.collection, _round(query.vector), query.scope, query.filters, limit=limit
        )


def _round(vector: Sequence[float]) -> list[float]:
    """Return a vector in half precision, as PostgreSQL compares it."""
    form = f"<{len(vector)}e"
    return [*struct.unpack(form, struct.pack(form, *vector))]
