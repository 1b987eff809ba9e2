"""Answers without a language model to a corpus' questions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cinemill.capabilities.search.answers.answer import answer_query
from cinemill.capabilities.search.answers.events import CitationsEvent, DeltaEvent, DoneEvent
from cinemill.capabilities.search.context import generate_context
from cinemill.capabilities.search.evaluation.metrics.records import CitedClaim, Moment, Outcome
from cinemill.capabilities.search.evaluation.running.library import CorpusLibrary
from cinemill.capabilities.search.evaluation.running.searches import ANSWER_HITS, SearchedQuestion
from cinemill.capabilities.search.relevance import judge
from cinemill.capabilities.search.relevance_features import CompareWords
from cinemill.core.retrieval.hits import Citation

_MARK = re.compile(r"\[(\d+)\]")
_QUOTES = " “”"


def answer_questions(
    library: CorpusLibrary,
    searched: Sequence[SearchedQuestion],
    compare_words: CompareWords | None,
) -> list[Outcome]:
    """Return what is answered to each question, extractively, with its citations."""
    return [_answer(library, one, compare_words) for one in searched]


def _answer(
    library: CorpusLibrary, one: SearchedQuestion, compare_words: CompareWords | None
) -> Outcome:
    context = generate_context(library.scope, one.hits[:ANSWER_HITS], library)
    ranked = [ranked.candidate for ranked in one.ranked]
    relevance = judge(one.query, ranked, compare_words=compare_words)
    said: list[str] = []
    citations: tuple[Citation, ...] = ()
    has_abstained = False
    for event in answer_query(one.query, context, relevance):
        if isinstance(event, DeltaEvent):
            said.append(event.text)
        elif isinstance(event, CitationsEvent):
            citations = event.citations
        elif isinstance(event, DoneEvent):
            has_abstained = event.abstained is not None
    hits = tuple(library.locate(hit) for hit in one.hits)
    claims = tuple(_read_claims(library, said, citations))
    return Outcome(one.asked, hits, has_abstained, claims)


def _read_claims(
    library: CorpusLibrary, said: Sequence[str], citations: Sequence[Citation]
) -> Iterator[CitedClaim]:
    """Yield the statements with the moments that their marks cite, as a client would."""
    for text in said:
        cited = [citations[int(number) - 1] for number in _MARK.findall(text)]
        moments = (Moment(library.names[one.asset_id], one.start_ms, one.end_ms) for one in cited)
        yield CitedClaim(_MARK.sub("", text).strip(_QUOTES), tuple(moments))
