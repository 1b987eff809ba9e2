"""Candidates of a query whose route prefers some tracks."""

from __future__ import annotations

from dataclasses import replace

from cinemill.capabilities.search.fusion import unite
from cinemill.capabilities.search.routing import Route
from cinemill.core.retrieval.hits import Candidate
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Connection
from cinemill.storage.projection.nearest import ProjectedIndex


def find_routed(
    connection: Connection,
    query: CandidateQuery,
    route: Route,
    index: ProjectedIndex | None = None,
) -> list[Candidate]:
    """Return what the retrievers find in all tracks, and in those that the route prefers.

    The preferred ones are searched a second time, by themselves: in a large library they may have
    none of the first candidates of all. The filters of the query narrow both. Raises what
    ``find_candidates`` raises.
    """
    # Brings NumPy, which a server needs from its first search on only.
    from cinemill.storage.retrieval.search import find_candidates

    filters = query.filters
    if not filters.tracks and route.tracks:
        return find_candidates(connection, _narrow(query, route.tracks), index)
    found = find_candidates(connection, query, index)
    if filters.tracks or not route.preferred:
        return found
    return unite(found, find_candidates(connection, _narrow(query, route.preferred), index))


def _narrow(query: CandidateQuery, tracks: tuple[PassageTrack, ...]) -> CandidateQuery:
    return replace(query, filters=replace(query.filters, tracks=tracks))
