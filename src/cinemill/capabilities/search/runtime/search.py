"""Searches: by meaning, by the graph, and by both with words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.fusion import fuse, merge_adjacent
from cinemill.capabilities.search.language.words import fold
from cinemill.capabilities.search.query import ParsedQuery, parse_query
from cinemill.capabilities.search.relevance import judge
from cinemill.capabilities.search.routing import (
    RetrieverWeights,
    Route,
    RouteOverrides,
    route_query,
)
from cinemill.capabilities.search.runtime.requests import SearchMode, SearchRequest, SearchResult
from cinemill.capabilities.search.runtime.resources import (
    FittedRelevance,
    SearchResources,
    find_relevance,
)
from cinemill.capabilities.search.runtime.routed import find_routed
from cinemill.capabilities.search.runtime.vectors import (
    NO_VECTOR,
    QueryVector,
    embed_query,
    find_model,
    find_word_comparison,
)
from cinemill.capabilities.search.runtime.vocabulary import read_query
from cinemill.core.retrieval.hits import Candidate, Hit
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Connection
from cinemill.storage.knowledge.labels import find_naming_assets, label_entities
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.retrieval.context_passages import find_titles
from cinemill.storage.retrieval.models import EmbeddingModel

LEAST_CANDIDATES, MOST_CANDIDATES = 50, 300
"""Of each retriever; more hits need more, for neighbours become one."""
CANDIDATES_PER_HIT = 4
LEAST_COSINE = 0.3
"""Of keywords, what only vectors found counts from this cosine on. Unrelated sentences
have about 0.1 by MiniLM, and everything is nearest to something."""
_QUOTES = str.maketrans("“”«»", '""""')
_WEIGHTS = {
    SearchMode.SEMANTIC: RetrieverWeights(vector=1.0, text=0.0),
    SearchMode.GRAPH: RetrieverWeights(vector=0.0, text=0.0, graph=1.0),
}


def semantic_search(resources: SearchResources, request: SearchRequest) -> SearchResult:
    """Find passages by meaning alone.

    Without an embedding model on this machine nothing is found, and ``vectors`` says why. Raises
    InputRejected (``query_empty``, ``query_invalid``, ``search_invalid``), TooLarge
    (``query_too_long``), DatabaseUnavailable.
    """
    return _search(resources, request, SearchMode.SEMANTIC)


def graph_traversal_search(resources: SearchResources, request: SearchRequest) -> SearchResult:
    """Find passages that mention entities of the query, or entities related to these.

    Raises what ``semantic_search`` raises.
    """
    return _search(resources, request, SearchMode.GRAPH)


def hybrid_search(resources: SearchResources, request: SearchRequest) -> SearchResult:
    """Find passages by meaning, words, similar spellings and the graph together.

    Without an embedding model on this machine words and the graph are searched, and ``vectors``
    says why. Raises what ``semantic_search`` raises.
    """
    return _search(resources, request, SearchMode.HYBRID)


def run_search(
    resources: SearchResources, request: SearchRequest, mode: SearchMode
) -> SearchResult:
    """Search in the way that a request names. Raises what ``semantic_search`` raises."""
    return _search(resources, request, mode)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is looked for, and by what."""

    query: ParsedQuery
    route: Route
    model: EmbeddingModel | None
    """Of the index; None where there is none."""


def _search(resources: SearchResources, request: SearchRequest, mode: SearchMode) -> SearchResult:
    request.check()
    plan = _plan(resources, request, mode)
    # Outside of a transaction: the first search loads the model.
    vector = (
        embed_query(resources, plan.model, plan.query.text)
        if plan.route.weights.vector > 0
        else NO_VECTOR
    )
    relevance = find_relevance(resources.models_dir)
    index = resources.open_index()
    with resources.database.begin() as connection:
        candidates = _find(connection, resources, request, plan, vector, mode, index)
        ranked = fuse(candidates, plan.route.weights, plan.route.preferred)
        hits = merge_adjacent(ranked, limit=request.limit)
        titles = find_titles(connection, resources.owner, [hit.asset_id for hit in hits])
        labels = label_entities(connection, resources.owner, plan.query.entity_ids)
        # Another spelling than the query's is quoted from the videos that have it.
        other = {
            one.id: one.name
            for one in labels.values()
            if fold(one.name) not in fold(plan.query.text)
        }
        named_by = find_naming_assets(connection, resources.owner, other) if other else ()
    uses_vectors = bool(ranked) and plan.route.weights.vector > 0
    compare_words = find_word_comparison(resources, plan.model) if uses_vectors else None
    judged = judge(
        plan.query,
        [one.candidate for one in ranked],
        relevance.model,
        compare_words=compare_words,
    )
    good = _choose_good(plan.query, hits, relevance, is_answerable=judged.is_answerable)
    return SearchResult(
        mode=mode,
        query=plan.query,
        route=plan.route,
        relevance=judged,
        is_fitted=relevance.is_fitted,
        hits=good,
        nearest=() if good else tuple(hits),
        titles=titles,
        entities=tuple({one.id: one for one in labels.values()}.values()),
        named_by=frozenset(named_by),
        vectors=vector.state,
        vectors_hint=vector.hint or ("" if index is None else index.failure),
        index_model=plan.model,
    )


def _plan(resources: SearchResources, request: SearchRequest, mode: SearchMode) -> _Plan:
    parse_query(request.query)  # what cannot be searched for needs no database
    with resources.database.begin() as connection:
        query = read_query(connection, resources.owner, request.query)
        model = find_model(connection)
    overrides = request.overrides
    if request.filters.tracks:
        # Nothing else is searched, so that no rule may prefer another track.
        weights = None if overrides is None else overrides.weights
        overrides = RouteOverrides(tracks=request.filters.tracks, weights=weights)
    if (weights := _WEIGHTS.get(mode)) is not None:
        tracks = () if overrides is None or overrides.tracks is None else overrides.tracks
        overrides = RouteOverrides(tracks=tracks, weights=weights)
    return _Plan(query, route_query(query, overrides=overrides), model)


def _find(
    connection: Connection,
    resources: SearchResources,
    request: SearchRequest,
    plan: _Plan,
    vector: QueryVector,
    mode: SearchMode,
    index: ProjectedIndex | None,
) -> list[Candidate]:
    """Return what the retrievers that have a weight find."""
    weights = plan.route.weights
    hops = request.hops if request.hops is not None else 2 if mode is SearchMode.GRAPH else 1
    wanted = min(MOST_CANDIDATES, max(LEAST_CANDIDATES, CANDIDATES_PER_HIT * request.limit))
    asked = CandidateQuery(
        scope=resources.scope(request.collections),
        filters=request.filters,
        text=plan.query.text.translate(_QUOTES) if weights.text > 0 else "",
        vector=vector.vector,
        model_id=vector.model_id,
        unknown_words=plan.route.trigram_words if weights.trigram > 0 else (),
        entity_ids=plan.query.entity_ids if weights.graph > 0 else (),
        hops=hops,
        limit=wanted,
    )
    return find_routed(connection, asked, plan.route, index)


def _choose_good(
    query: ParsedQuery, hits: Sequence[Hit], relevance: FittedRelevance, *, is_answerable: bool
) -> tuple[Hit, ...]:
    """Return the hits that count as found.

    The hits of a question are all of them or none, as the model of relevance judges: a word of the
    question alone does not answer it. Words that are no question are looked for as such: by a rule,
    what has one of them, a similar spelling or an entity that they name counts as found, and what
    has a cosine of at least 0.3. A model that was fitted on this installation's kind of videos
    judges them as well.
    """
    if query.is_question or relevance.is_fitted:
        return tuple(hits) if is_answerable else ()
    return tuple(hit for hit in hits if _has_reason(hit))


def _has_reason(hit: Hit) -> bool:
    scores = hit.scores
    is_named = any(one is not None for one in (scores.text, scores.trigram, scores.graph))
    return is_named or (scores.vector is not None and scores.vector >= LEAST_COSINE)
