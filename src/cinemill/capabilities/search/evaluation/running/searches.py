"""Searching a corpus for its questions, and the rankings that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.search.answers.extractive import choose_quotes
from cinemill.capabilities.search.context import generate_context
from cinemill.capabilities.search.conversation.standalone import make_standalone
from cinemill.capabilities.search.conversation.turns import Turn
from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment, Outcome
from cinemill.capabilities.search.evaluation.running.library import CorpusLibrary
from cinemill.capabilities.search.fusion import (
    RankedCandidate,
    fuse,
    fuse_by_rank,
    fuse_by_score,
    merge_adjacent,
)
from cinemill.capabilities.search.query import ParsedQuery, parse_query
from cinemill.capabilities.search.routing import RetrieverWeights, Route, route_query
from cinemill.capabilities.search.runtime.routed import find_routed
from cinemill.core.retrieval.hits import Candidate, Hit
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Connection
from cinemill.storage.retrieval.passages import find_unknown_words
from cinemill.storage.retrieval.search import find_candidates

CANDIDATES = 50
"""Of each retriever."""
HITS = 10
ANSWER_HITS = 8
"""That an answer is drawn from."""
_QUOTES = str.maketrans("“”«»", '""""')

Rank = Callable[[Sequence[Candidate]], list[RankedCandidate]]
SINGLE_RANKINGS: Mapping[str, Rank] = {
    "vectors": lambda found: fuse_by_score(found, RetrieverWeights(vector=1, text=0)),
    "text": lambda found: fuse_by_score(found, RetrieverWeights(vector=0, text=1)),
}
FUSED_RANKINGS: Mapping[str, Rank] = {
    "rrf 2:1": lambda found: fuse_by_rank(found, RetrieverWeights(vector=2, text=1)),
    "convex 0.7/0.3": lambda found: fuse_by_score(found, RetrieverWeights(vector=0.7, text=0.3)),
    "default": lambda found: fuse(found, RetrieverWeights()),
}
DEFAULT_RANKING = "default"
"""Of searches to which no rule applies."""
RANKINGS = {**SINGLE_RANKINGS, **FUSED_RANKINGS}
"""Compared on what is found in all tracks, without rules."""
ROUTED = "routed"
"""As searches of Cinemill rank: with rules, the default fusion, and neighbors merged."""


@dataclass(frozen=True, slots=True)
class SearchedQuestion:
    """A question, what it was searched as, and what was found."""

    asked: AskedQuestion
    query: ParsedQuery
    """Of a follow-up, the question that it stands for."""
    route: Route
    candidates: tuple[Candidate, ...]
    """Of all tracks."""
    ranked: tuple[RankedCandidate, ...]
    """By rules and the default fusion."""
    hits: tuple[Hit, ...]
    quoted: str = ""
    """What an answer without a language model would quote."""


def search_questions(
    library: CorpusLibrary,
    questions: Sequence[AskedQuestion],
    *,
    on_question: Callable[[int], None] = lambda _searched: None,
) -> list[SearchedQuestion]:
    """Search for each question; a follow-up after the one that it follows.

    ``on_question`` gets the number of questions so far. Raises KeyError for a follow-up whose first
    question is not among these, and what ``find_candidates`` raises.
    """
    first = [one for one in questions if not one.after]
    searched: dict[str, SearchedQuestion] = {}
    for one in [*first, *(one for one in questions if one.after)]:
        history = [_remember(searched[one.after])] if one.after else []
        standalone = make_standalone(one.text, history)
        searched[one.id] = _search(library, one, standalone.text)
        on_question(len(searched))
    return [searched[one.id] for one in questions]


def rank_outcomes(
    library: CorpusLibrary, searched: Iterable[SearchedQuestion], name: str
) -> list[Outcome]:
    """Return what a ranking makes of each question: its first ten. Raises KeyError."""
    if name == ROUTED:
        return [
            Outcome(one.asked, tuple(library.locate(hit) for hit in one.hits)) for one in searched
        ]
    rank = RANKINGS[name]
    return [Outcome(one.asked, _locate_first(library, rank(one.candidates))) for one in searched]


def _locate_first(library: CorpusLibrary, ranked: Sequence[RankedCandidate]) -> tuple[Moment, ...]:
    return tuple(library.locate(one.candidate) for one in ranked[:HITS])


def _search(library: CorpusLibrary, asked: AskedQuestion, text: str) -> SearchedQuestion:
    (vector,) = library.embedder.embed([text])
    with library.database.begin() as connection:
        query = parse_query(text, _Words(connection, library.scope.owner))
        route = route_query(query)
        everything = CandidateQuery(
            scope=library.scope,
            text=query.text.translate(_QUOTES),
            vector=vector.tolist(),
            model_id=library.model.id,
            limit=CANDIDATES,
        )
        candidates = find_candidates(connection, everything)
        words = route.trigram_words if route.weights.trigram > 0 else ()
        routed = find_routed(connection, replace(everything, unknown_words=words), route)
    ranked = fuse(routed, route.weights, route.preferred)
    hits = merge_adjacent(ranked, limit=HITS)
    found = SearchedQuestion(asked, query, route, tuple(candidates), tuple(ranked), tuple(hits))
    return replace(found, quoted=_quote(library, found))


def _quote(library: CorpusLibrary, found: SearchedQuestion) -> str:
    context = generate_context(library.scope, found.hits[:ANSWER_HITS], library)
    return " ".join(one.text for one in choose_quotes(found.query, context.evidence))


def _remember(found: SearchedQuestion) -> Turn:
    return Turn(found.asked.text, found.query.text, found.quoted)


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of one owner's passages; a corpus has no graph."""

    connection: Connection
    owner: str

    def list_unknown(self, words: Sequence[str]) -> list[str]:
        return find_unknown_words(self.connection, self.owner, words)

    def find_entities(self, names: Sequence[str]) -> Mapping[str, str]:
        return {}
