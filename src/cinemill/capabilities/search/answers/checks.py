"""Whether a passage supports a statement: its numbers, names, dates, words and negations.

A statement that fails is left out, whatever else speaks for it. The checks are strict on purpose: a
good statement in words of its own may be left out, a false one must not get through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cinemill.capabilities.search.language.links import clean_text, contains_link
from cinemill.capabilities.search.language.numbers import is_number, list_numbers
from cinemill.capabilities.search.language.words import (
    NEGATIONS,
    REPORTING_WORDS,
    STOP_WORDS,
    TextWord,
    find_stem,
    list_words,
    make_word_set,
)
from cinemill.capabilities.search.query import ParsedQuery
from cinemill.capabilities.search.relevance_features import CompareWords

LONGEST_CLAIM = 400
LEAST_SIMILARITY = 0.8
"""Of a word with one of the passage, from which on it counts as said there. By MiniLM, opposites
are near: sold and bought 0.77, closed and opened 0.70; words of one meaning are over 0.84."""
LEAST_TOPIC_SIMILARITY = 0.6
"""Of a word of the question with one of the statement, whose facts are checked apart from it."""
LEAST_LITERAL_SHARE = 0.5
"""Of a statement's words that the passage must have as they are, not by similarity."""
LEAST_ENTAILMENT = 0.5
_NEGATION_REACH = 3
"""Words between a negation and what it negates."""

Entails = Callable[[str, str], float]
"""Returns how probably a passage (first) entails a statement (second), 0 to 1."""

_REPORTING_STEMS = frozenset(find_stem(word) for word in REPORTING_WORDS)


class ClaimFault(StrEnum):
    """Why a statement is left out."""

    UNKNOWN_EVIDENCE = "unknown-evidence"
    NO_EVIDENCE = "no-evidence"
    LINK = "link"
    TOO_LONG = "too-long"
    EMPTY = "empty"
    NUMBER = "number"
    """A number that the passage does not have."""
    NAME = "name"
    WORDS = "words"
    """Words that the passage neither has nor means."""
    OFF_TOPIC = "off-topic"
    """It says nothing of what the question asks about."""
    NEGATION = "negation"
    ENTAILMENT = "entailment"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Checks:
    """What statements are checked with. Without models only words are compared."""

    compare_words: CompareWords | None = None
    entails: Entails | None = None


def find_fault(claim: str, passages: Sequence[str], checks: Checks) -> ClaimFault | None:
    """Return why these passages together do not support a statement; None where they do."""
    text = clean_text(claim)
    if len(text) > LONGEST_CLAIM:
        return ClaimFault.TOO_LONG
    if contains_link(text):
        return ClaimFault.LINK
    if not passages:
        return ClaimFault.NO_EVIDENCE
    content = [word for word in list_words(text) if word.folded not in STOP_WORDS]
    if not content:
        return ClaimFault.EMPTY
    passage = " \n".join(clean_text(one) for one in passages)
    return _compare(text, content, passage, checks)


_BROAD_WORDS = make_word_set("happen topic subject discuss main point summary summarize about talk")
_BROAD_STEMS = frozenset(find_stem(word) for word in _BROAD_WORDS) | _REPORTING_STEMS


def is_on_topic(claim: str, query: ParsedQuery, compare_words: CompareWords | None) -> bool:
    """Return whether a statement has a word of the question, or one that means the same.

    A passage may hold what nobody asked for, and a model may repeat it. A question that names
    nothing, such as "What happens?", allows everything.
    """
    asked = {stem: term for term in query.terms if (stem := find_stem(term)) not in _BROAD_STEMS}
    words = [word for word in list_words(clean_text(claim)) if word.folded not in STOP_WORDS]
    if not asked or any(find_stem(word.text) in asked for word in words):
        return True
    if compare_words is None or not words:
        return False
    said = list(dict.fromkeys(word.folded for word in words))
    return any(compare_words(term, said) >= LEAST_TOPIC_SIMILARITY for term in asked.values())


def _compare(
    text: str, content: Sequence[TextWord], passage: str, checks: Checks
) -> ClaimFault | None:
    words = list_words(passage)
    stems = {find_stem(word.text) for word in words}
    if not set(list_numbers(text)) <= set(list_numbers(passage)):
        return ClaimFault.NUMBER
    if any(_is_name(word) and find_stem(word.text) not in stems for word in content):
        return ClaimFault.NAME
    if not _has_words(content, words, stems, checks.compare_words):
        return ClaimFault.WORDS
    if not _agree_on_negation(text, words):
        return ClaimFault.NEGATION
    if checks.entails is not None and checks.entails(passage, text) < LEAST_ENTAILMENT:
        return ClaimFault.ENTAILMENT
    return None


def _is_name(word: TextWord) -> bool:
    """Return whether a word must stand in the passage because it is capitalised.

    So must the first word of a sentence, unless it speaks about the passage: a name often stands
    there.
    """
    if not word.is_capitalised or is_number(word.text):
        return False
    return find_stem(word.text) not in _REPORTING_STEMS


def _has_words(
    content: Sequence[TextWord],
    words: Sequence[TextWord],
    stems: set[str],
    compare_words: CompareWords | None,
) -> bool:
    """Return whether the passage has every word of a statement, or one that means the same.

    So the predicate is checked as well: "opened" is not "demolished".
    """
    wanted = {
        stem: word.folded
        for word in content
        if (stem := find_stem(word.text)) not in _REPORTING_STEMS and not is_number(word.text)
    }
    missing = [word for stem, word in wanted.items() if stem not in stems]
    if not wanted:  # numbers alone, which have been checked
        return True
    if len(wanted) - len(missing) < LEAST_LITERAL_SHARE * len(wanted):
        return False
    if not missing:
        return True
    if compare_words is None:
        return False
    said = list(dict.fromkeys(word.folded for word in words if word.folded not in STOP_WORDS))
    return all(compare_words(word, said) >= LEAST_SIMILARITY for word in missing)


def _agree_on_negation(text: str, passage: Sequence[TextWord]) -> bool:
    """Return whether a statement negates as its passage does.

    A negation in the statement must be in the passage; and what the passage says only under a
    negation must be negated in the statement.
    """
    claimed = list_words(text)
    is_negated = any(word.folded in NEGATIONS for word in claimed)
    if is_negated:
        return any(word.folded in NEGATIONS for word in passage)
    under, free = _split_by_negation(passage)
    stems = {find_stem(word.text) for word in claimed if word.folded not in STOP_WORDS}
    return not stems & (under - free)


def _split_by_negation(passage: Sequence[TextWord]) -> tuple[set[str], set[str]]:
    """Return the stems that follow a negation closely, and those that stand elsewhere."""
    under: set[str] = set()
    free: set[str] = set()
    left = 0
    for word in passage:
        if word.begins_sentence:
            left = 0
        if word.folded in NEGATIONS:
            left = _NEGATION_REACH
            continue
        if word.folded in STOP_WORDS:
            continue
        (under if left else free).add(find_stem(word.text))
        left = max(0, left - 1)
    return under, free
