"""The evidence that an answer may use, read from the database within the owner's scope."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cinemill.capabilities.search import context as evidence
from cinemill.capabilities.search.context import AnswerContext
from cinemill.capabilities.search.runtime.requests import SearchRequest, SearchResult
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.capabilities.search.runtime.search import hybrid_search
from cinemill.core.retrieval.hits import Candidate, SearchScope
from cinemill.storage.database import Connection
from cinemill.storage.retrieval import context_passages


class StoredPassages:
    """Passages of one transaction; see :class:`~cinemill.capabilities.search.context`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_passages(self, scope: SearchScope, passage_ids: Collection[str]) -> list[Candidate]:
        """Return these passages, without those outside of the scope."""
        return context_passages.read_passages(self._connection, scope, passage_ids)

    def read_neighbours(
        self, scope: SearchScope, passages: Sequence[Candidate], distance: int
    ) -> list[Candidate]:
        """Return the passages of the same videos and tracks that are at most so far away."""
        return context_passages.read_neighbours(self._connection, scope, passages, distance)


def generate_context(
    resources: SearchResources, request: SearchRequest
) -> tuple[SearchResult, AnswerContext]:
    """Search, and return what was found with the passages around it, within fixed bounds.

    Raises what ``hybrid_search`` raises.
    """
    found = hybrid_search(resources, request)
    with resources.database.begin() as connection:
        context = evidence.generate_context(
            resources.scope(request.collections),
            found.ranked,
            StoredPassages(connection),
            titles=found.titles,
        )
    return found, context
