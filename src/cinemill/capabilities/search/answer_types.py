"""Whether a text has something that could answer a question, of the kind that is asked for."""

from __future__ import annotations

import re

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    MONTHS,
    STOP_WORDS,
    WEEKDAYS,
    find_names,
    find_stem,
    fold,
    list_words,
    make_word_set,
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
_UNITS_OF_TIME = make_word_set(
    """
    second seconds minute minutes hour hours day days night nights week weeks weekend month months
    season seasons summer winter autumn year years decade decades century centuries
    """
)
_COUNTING_WORDS = make_word_set(
    """
    a an one half quarter couple several few many some all whole entire dozen dozens hundreds
    thousands
    """
)
_WHOLE_DURATIONS = make_word_set("overnight forever decades centuries years months weeks hours")
_FURTHEST_UNIT = 3
"""Words after a number in which its unit follows: "three and a half weeks"."""
_ASKS_DURATION = re.compile(
    r"\bhow long (?:do|does|did|has|have|had|will|would|can|could|should|must|may|might)\b"
    r"|\bfor how long\b|\bhow much time\b"
)
_ASKS_LENGTH = re.compile(r"\bhow long (?:is|are|was|were) (.+)")
"""Of a thing or of a time: what follows says which."""
_LASTING_WORDS = make_word_set(
    """
    open under in on at away there
    being doing driving fighting filming flying going hiding living lying playing running sailing
    serving sitting sleeping speaking standing staying studying talking teaching traveling
    travelling trying using waiting walking working
    banned blocked closed delayed detained displayed employed engaged exhibited flooded frozen gone
    held hidden hospitalized imprisoned interrupted involved jailed kept locked lost married missing
    occupied postponed scheduled shown stopped stranded suspended trapped used
    briefing hearing meeting recording screening training wedding
    """
)
"""After "how long is": a state, a deed or an event. Not every "-ing": a building has metres."""
_UNITS_OF_LENGTH = make_word_set(
    """
    millimetre millimetres millimeter millimeters centimetre centimetres centimeter centimeters
    metre metres meter meters kilometre kilometres kilometer kilometers mm cm m km inch inches
    feet yard yards mile miles
    """
)
_SPAN = re.compile(
    r"\b(?:from|between) [^.]{1,40}? (?:to|until|till|and) \w+(?: \w+){0,2}"
    r"|\b(?:since|until|till) \w+(?: \w+){0,2}"
)
_ORDINAL = re.compile(r"first|second|third|.+th|\d+(?:st|nd|rd)")
"""The fourth day is no duration."""
DURATION_WORDS = make_word_set(
    "long time last lasts lasted lasting take takes took taken need needs needed require required"
)
"""What a question for a duration is asked with, and its answer need not repeat."""


def asks_for_duration(query: ParsedQuery) -> bool:
    """Return whether a question asks how long something went on: "How long did the voyage take?".

    "How long is the building?" does not: it may be answered in metres.
    """
    if query.query_class is not QueryClass.QUANTITY:
        return False
    asked = fold(query.text)
    if _ASKS_DURATION.search(asked):
        return True
    found = _ASKS_LENGTH.search(asked)
    # The first word is what is asked about, or an article.
    words = [] if found is None else [word.folded for word in list_words(found[1])][1:]
    return bool(_LASTING_WORDS.intersection(words)) and _UNITS_OF_LENGTH.isdisjoint(words)


def has_answer(query: ParsedQuery, text: str) -> bool:
    """Return whether a text has something that could answer, of the kind that is asked for.

    What the question itself says is no answer to it.
    """
    kind = query.query_class
    if kind is QueryClass.PERSON:
        return _has_new_name(query, text)
    if kind is QueryClass.PLACE:
        return _has_new_name(query, text) or _has_new_place(query, text)
    if asks_for_duration(query):
        return _has_duration(text)
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


def _has_duration(text: str) -> bool:
    """Return whether a text says how long: "three weeks", "half an hour", "from May to July"."""
    words = [part for word in list_words(text) for part in word.folded.split("-")]
    for at, word in enumerate(words):
        if word in _WHOLE_DURATIONS:
            return True
        is_number = bool(list_numbers(word)) and not _ORDINAL.fullmatch(word)
        is_count = word in _COUNTING_WORDS or is_number
        following = words[at + 1 : at + 1 + _FURTHEST_UNIT]
        if is_count and any(one in _UNITS_OF_TIME for one in following):
            return True
    spans = (match[0] for match in _SPAN.finditer(fold(text)))
    return any(_has_date(span) for span in spans)


def _has_date(text: str) -> bool:
    return bool({word.folded for word in list_words(text)} & _DATES or list_numbers(text))
