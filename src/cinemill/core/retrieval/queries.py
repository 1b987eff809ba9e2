"""What the index is asked for, before fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cinemill.core.retrieval.hits import SearchFilters, SearchScope

DEFAULT_HITS, MOST_HITS = 10, 100
"""Of a search."""
MOST_HOPS = 2
"""In the graph. A third hop takes ten times as long and reaches nearly everything."""
MOST_CANDIDATES = 1000
"""Of each retriever."""


@dataclass(frozen=True, slots=True)
class CandidateQuery:
    """What each retriever looks for; one whose fields are empty finds nothing."""

    scope: SearchScope
    filters: SearchFilters = field(default_factory=SearchFilters)
    text: str = ""
    """Words to find in passages; words in double quotes are found in this order only."""
    vector: Sequence[float] = ()
    """The embedding of the query by the model ``model_id``."""
    model_id: int | None = None
    """Of the embedding model as it is stored; None: no search by vectors."""
    unknown_words: Sequence[str] = ()
    """Words that no passage contains: passages with similar words are found for them."""
    entity_ids: Sequence[str] = ()
    """Entities whose passages are found, and those of entities that are related to them."""
    hops: int = 1
    """How far related entities may be, 0 to ``MOST_HOPS``."""
    limit: int = 50
    """Candidates of each retriever, 1 to ``MOST_CANDIDATES``."""
