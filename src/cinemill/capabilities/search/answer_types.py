"""Whether a text has something that could answer a question, of the kind that is asked for."""

from __future__ import annotations

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    MONTHS,
    STOP_WORDS,
    WEEKDAYS,
    find_names,
    find_stem,
    fold,
    list_words,
)
from cinemill.capabilities.search.query import ParsedQuery, QueryClass

_REASONS = frozenset(
    {"because", "since", "due", "caused", "reason", "therefore", "thanks", "after"}
)
_DATES = frozenset(
    {
        *MONTHS,
        *WEEKDAYS,
        "today",
        "tomorrow",
        "yesterday",
        "morning",
        "evening",
        "afternoon",
        "noon",
        "midnight",
        "night",
        "century",
        "year",
        "week",
        "clock",
    }
)
_PLACES = frozenset(
    {"in", "at", "on", "under", "near", "behind", "inside", "outside", "into", "between", "above"}
)
_ARTICLES = frozenset({"a", "an", "the", "his", "her", "their", "its"})


def has_answer(query: ParsedQuery, text: str) -> bool:
    """Return whether a text has something that could answer, of the kind that is asked for.

    What the question itself says is no answer to it.
    """
    kind = query.query_class
    if kind is QueryClass.PERSON:
        return _has_new_name(query, text)
    if kind is QueryClass.PLACE:
        return _has_new_name(query, text) or _has_new_place(query, text)
    if kind is QueryClass.QUANTITY:
        return bool(set(list_numbers(text)) - set(query.numbers))
    words = {fold(word.text) for word in list_words(text)}
    if kind is QueryClass.TIME:
        return bool(words & _DATES or set(list_numbers(text)) - set(query.numbers))
    if kind is QueryClass.REASON:
        return bool(words & _REASONS) or " so that " in f" {fold(text)} "
    return True


def _has_new_name(query: ParsedQuery, text: str) -> bool:
    asked = {find_stem(word.text) for name in query.names for word in list_words(name)}
    named = (find_stem(word.text) for name in find_names(text) for word in list_words(name))
    return any(stem not in asked for stem in named)


def _has_new_place(query: ParsedQuery, text: str) -> bool:
    """Return whether a text says "in a wine cellar" of something that was not asked about."""
    asked = {find_stem(term) for term in query.terms}
    words = [word.folded for word in list_words(text)]
    for at, word in enumerate(words):
        if word not in _PLACES:
            continue
        rest = words[at + 1 :]
        if rest and rest[0] in _ARTICLES:
            rest = rest[1:]
        if rest and rest[0] not in STOP_WORDS and find_stem(rest[0]) not in asked:
            return True
    return False
