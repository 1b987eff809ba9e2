"""What a search is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cinemill.capabilities.search.query import ParsedQuery
from cinemill.capabilities.search.relevance import Relevance
from cinemill.capabilities.search.routing import Route, RouteOverrides
from cinemill.capabilities.search.runtime.vectors import VectorState
from cinemill.core.retrieval.hits import Hit, SearchFilters
from cinemill.core.retrieval.queries import DEFAULT_HITS, MOST_HITS, MOST_HOPS
from cinemill.errors import InputRejected
from cinemill.storage.knowledge.labels import EntityLabel
from cinemill.storage.retrieval.models import EmbeddingModel


class SearchMode(StrEnum):
    """What finds passages."""

    HYBRID = "hybrid"
    """Meaning, words, similar spellings and the graph together."""
    SEMANTIC = "semantic"
    """Meaning alone: the nearest vectors."""
    GRAPH = "graph"
    """Entities that the query names, and those that are related to them."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search, before it is looked at."""

    query: str
    collections: tuple[str, ...] = ()
    """Empty: all of the owner's."""
    filters: SearchFilters = field(default_factory=SearchFilters)
    limit: int = DEFAULT_HITS
    """Hits, 1 to 100."""
    hops: int | None = None
    """In the graph, 0 to 2; None: one in a hybrid search, two in one by the graph."""
    overrides: RouteOverrides | None = None
    """None: rules decide which tracks and retrievers count."""

    def check(self) -> None:
        """Raise InputRejected (``search_invalid``) for a limit or hops out of range."""
        if not 1 <= self.limit <= MOST_HITS:
            raise InputRejected(
                f"A search returns 1 to {MOST_HITS} hits, not {self.limit}.", code="search_invalid"
            )
        if self.hops is not None and not 0 <= self.hops <= MOST_HOPS:
            raise InputRejected(
                f"A search follows 0 to {MOST_HOPS} relations, not {self.hops}.",
                code="search_invalid",
            )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and how."""

    mode: SearchMode
    query: ParsedQuery
    route: Route
    relevance: Relevance
    is_fitted: bool
    """Whether the model of relevance was fitted on this installation's kind of videos. Else it is
    the package's, which decides for questions; for keywords a rule does."""
    hits: tuple[Hit, ...]
    """What answers the query, the best first."""
    nearest: tuple[Hit, ...]
    """What came nearest without answering it, the best first; empty where there are hits."""
    titles: Mapping[str, str]
    """File names of the videos by their ids."""
    entities: tuple[EntityLabel, ...]
    """That the query names."""
    vectors: VectorState
    vectors_hint: str = ""
    """What a person can do where vectors were not used and should have been, or where PostgreSQL's
    own index was searched in place of Qdrant."""
    named_by: frozenset[str] = frozenset()
    """Videos that ``entities`` are called after, where the query spells them otherwise."""
    index_model: EmbeddingModel | None = None
    """That the vectors of passages are of."""

    @property
    def is_nothing_found(self) -> bool:
        return not self.hits

    @property
    def asset_ids(self) -> frozenset[str]:
        """Return the videos that it quotes."""
        return self.named_by.union(hit.asset_id for hit in (*self.hits, *self.nearest))

    @property
    def ranked(self) -> tuple[Hit, ...]:
        """Return the hits, or else what came nearest."""
        return self.hits or self.nearest
