"""Answers made of the videos' own sentences, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.answer_types import has_answer
from cinemill.capabilities.search.context import Evidence
from cinemill.capabilities.search.language.links import remove_links
from cinemill.capabilities.search.language.sentences import split_sentences
from cinemill.capabilities.search.language.words import find_stem, list_stems, list_words
from cinemill.capabilities.search.query import ParsedQuery

MOST_SENTENCES = 2
LEAST_SHARE = 0.7
"""Of the best sentence's score that another must have to be quoted as well."""
_ANSWER_TYPE_SCORE = 0.5
_NAME_SCORE = 1.0
_RANK_SCORE = 0.3


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a passage."""

    text: str
    evidence: Evidence


def choose_quotes(query: ParsedQuery, evidence: Sequence[Evidence]) -> list[Quote]:
    """Return at most two sentences that answer best, links removed; in order of relevance.

    A sentence scores by the query's words and names that it has, whether it has an answer of the
    kind that is asked for, and the rank of its hit. Neighbours of hits are not quoted.
    """
    scored: list[tuple[float, int, Quote]] = []
    stems = {find_stem(term) for term in query.terms}
    names = {find_stem(word.text) for name in query.names for word in list_words(name)}
    for one in evidence:
        if one.is_neighbour:
            continue
        for sentence in split_sentences(one.text):
            score = _score(query, sentence, stems, names) + _RANK_SCORE / (1 + one.hit)
            scored.append((score, len(scored), Quote(remove_links(sentence), one)))
    scored.sort(key=lambda item: (-item[0], item[1]))
    best = scored[0][0] if scored else 0.0
    chosen: dict[str, Quote] = {}
    for score, _, quote in scored:
        if len(chosen) == MOST_SENTENCES or score < LEAST_SHARE * best:
            break
        chosen.setdefault(quote.text.casefold(), quote)
    return list(chosen.values())


def _score(query: ParsedQuery, sentence: str, stems: set[str], names: set[str]) -> float:
    found = set(list_stems(sentence))
    score = len(stems & found) / max(1, len(stems))
    if names:
        score += _NAME_SCORE * len(names & found) / len(names)
    return score + (_ANSWER_TYPE_SCORE if has_answer(query, sentence) else 0.0)
