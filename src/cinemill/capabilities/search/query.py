"""Questions and searches as people type them: their terms, names, numbers and class."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    COLOURS,
    STOP_WORDS,
    TextWord,
    find_names,
    find_stem,
    fold,
    list_words,
)
from cinemill.core.documents import find_text_problem
from cinemill.errors import InputRejected, TooLarge

LONGEST_QUERY = 10_000
"""Characters."""
MOST_TERMS = 48
"""Later ones are left out: a question has fewer."""
MOST_PHRASES = 8
LONGEST_PHRASE = 200
LONGEST_NAME_WORDS = 4

_QUOTED = re.compile(r'"([^"]{1,400})"|“([^”]{1,400})”|«([^»]{1,400})»')


class QueryClass(StrEnum):
    """What kind of answer a question asks for. Each class has a threshold of its own."""

    PERSON = "person"
    PLACE = "place"
    TIME = "time"
    QUANTITY = "quantity"
    REASON = "reason"
    MANNER = "manner"
    YES_NO = "yes-no"
    THING = "thing"
    """What, which."""
    KEYWORDS = "keywords"
    """No question: words to look for."""


class Vocabulary(Protocol):
    """What the searched videos contain, within the scope of one search."""

    def list_unknown(self, words: Sequence[str]) -> Collection[str]:
        """Return those of these folded words that no passage in the scope has."""
        ...

    def find_entities(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the id of the entity in the scope for each folded name that has one."""
        ...


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query and what was found in it. Texts are as typed, except where it says folded."""

    text: str
    query_class: QueryClass
    terms: tuple[str, ...]
    """Folded words that say something, each once, at most 48."""
    phrases: tuple[str, ...]
    """What was in quotation marks."""
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    """In their folded form."""
    colours: tuple[str, ...]
    predicates: tuple[str, ...]
    """Folded terms that are in no name: what is asked about the names."""
    unknown_words: tuple[str, ...] = ()
    """Folded words that the searched videos do not have."""
    entity_ids: tuple[str, ...] = ()
    is_cut: bool = False
    """There were more terms than are used."""

    @property
    def is_question(self) -> bool:
        return self.query_class is not QueryClass.KEYWORDS


def parse_query(text: str, vocabulary: Vocabulary | None = None) -> ParsedQuery:
    """Return what is in a query of at most 10,000 characters.

    ``vocabulary`` finds the names of entities in whatever case they are typed, and words that the
    videos do not have. Raises InputRejected (``query_empty``, ``query_invalid``), TooLarge
    (``query_too_long``).
    """
    _check(text)
    clean = " ".join(text.split())
    words = list_words(clean)
    names = find_names(_lower_shouting(clean))[:MOST_TERMS]
    terms = dict.fromkeys(word.folded for word in words if word.folded not in STOP_WORDS)
    kept = list(terms)[:MOST_TERMS]
    entities: Mapping[str, str] = {}
    unknown: Collection[str] = ()
    if vocabulary is not None and kept:
        entities = vocabulary.find_entities(_list_possible_names(words))
        unknown = set(vocabulary.list_unknown(kept))
        names = _add_known(names, entities, words, clean)
    named = {find_stem(word.text) for name in names for word in list_words(name)}
    return ParsedQuery(
        text=clean,
        query_class=classify(clean),
        terms=tuple(kept),
        phrases=tuple(_find_phrases(clean)),
        names=tuple(names),
        numbers=tuple(list_numbers(clean)[:MOST_TERMS]),
        colours=tuple(term for term in kept if term in COLOURS),
        predicates=tuple(term for term in kept if find_stem(term) not in named),
        unknown_words=tuple(term for term in kept if term in unknown),
        entity_ids=tuple(dict.fromkeys(entities.values())),
        is_cut=len(terms) > MOST_TERMS,
    )


def _check(text: str) -> None:
    if len(text) > LONGEST_QUERY:
        raise TooLarge(
            f"The query has {len(text)} characters; at most {LONGEST_QUERY} are allowed.",
            code="query_too_long",
            hint="Ask a shorter question.",
        )
    if (problem := find_text_problem(text)) is not None:
        raise InputRejected(f"The query {problem}.", code="query_invalid")
    if not text.strip():
        raise InputRejected(
            "The query is empty.", code="query_empty", hint="Type what to search for."
        )


def _lower_shouting(text: str) -> str:
    """Return a text that is all in capitals in lower case: they say nothing about names then."""
    return text.lower() if text.isupper() and " " in text else text


def _find_phrases(text: str) -> list[str]:
    found = (next(filter(None, match.groups())) for match in _QUOTED.finditer(text))
    phrases = [phrase.strip()[:LONGEST_PHRASE] for phrase in found if phrase.strip()]
    return list(dict.fromkeys(phrases))[:MOST_PHRASES]


def _list_possible_names(words: Sequence[TextWord]) -> list[str]:
    """Return every run of up to four words that may be the name of something, folded."""
    used = words[: 2 * MOST_TERMS]
    runs = (
        used[start : start + length]
        for length in range(LONGEST_NAME_WORDS, 0, -1)
        for start in range(len(used) - length + 1)
    )
    return list(
        dict.fromkeys(
            " ".join(word.folded for word in run)
            for run in runs
            if run[0].folded not in STOP_WORDS and run[-1].folded not in STOP_WORDS
        )
    )


def _add_known(
    names: list[str], entities: Mapping[str, str], words: Sequence[TextWord], text: str
) -> list[str]:
    """Return the names with those of known entities that were typed in lower case."""
    have = {fold(name) for name in names}
    found = list(names)
    for length in range(LONGEST_NAME_WORDS, 0, -1):
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            name = " ".join(word.folded for word in run)
            if name in entities and not any(name in known for known in have):
                have.add(name)
                found.append(text[run[0].start : run[-1].end])
    return found


_QUANTITY = re.compile(
    r"^(?:for |by |in |at |to |with |from )?"
    r"how (?:many|much|old|far|long|tall|big|large|often|high|deep|fast)\b"
)
_TIME = re.compile(r"^(?:at )?(?:what|which) (?:time|day|date|year|month|hour|week|century)\b")
_PLACE = re.compile(r"^(?:in |from |to )?(?:what|which) (?:place|city|town|country|street|room)\b")
_PERSON = re.compile(r"^(?:for |to |with |by |from )?(?:who|whom|whose)\b|^which person\b")
_AMOUNT = re.compile(
    r"^(?:what|which) (?:is|was|are|were)?\s*(?:the )?(?:number|budget|price|cost|amount|age|size|"
    r"length|height|weight|speed|share|percentage|temperature)\b"
)
_REASON = re.compile(r"^(?:why|how come|what (?:made|caused|led|prompted|drove)|for what reason)\b")
_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)\b"
)
_CLASSES: Sequence[tuple[re.Pattern[str], QueryClass]] = (
    (_QUANTITY, QueryClass.QUANTITY),
    (_AMOUNT, QueryClass.QUANTITY),
    (_TIME, QueryClass.TIME),
    (re.compile(r"^(?:since |until |by |from )?when\b"), QueryClass.TIME),
    (_PLACE, QueryClass.PLACE),
    (re.compile(r"^(?:from )?where\b"), QueryClass.PLACE),
    (_PERSON, QueryClass.PERSON),
    (_REASON, QueryClass.REASON),
    (re.compile(r"^how\b"), QueryClass.MANNER),
    (
        re.compile(r"^(?:(?:in|on|at|by|for|from|of|to|with) )?(?:what|which)\b"),
        QueryClass.THING,
    ),
    (_YES_NO, QueryClass.YES_NO),
)
_LEAD = re.compile(
    r"^(?:(?:and|but|so|then|ok|okay|please|hey|hello|hi|now|also)\b[,\s]*)+|"
    r"^(?:(?:can|could|would) you )?(?:tell me|show me|explain|do you know)\b[,\s]*"
)


_CONTEXT = re.compile(
    r"^(?:after|at|before|by|during|for|from|in|on|since|with|within) [^,?]{1,80}, ", re.DOTALL
)
"""What a question may begin with: "After the war, who rebuilt it?"."""
_IN_VIDEO = re.compile(
    r"^where (?:do|does|did|is|are|was|were) (?:they|he|she|it|we|people|anyone)?"
    r"\s*(?:talk|talking|speak|speaking|mention|mentioned|discuss|say|said)"
)


def classify(text: str) -> QueryClass:
    """Return what kind of answer a question asks for, by how it begins.

    "Where do they talk about …" asks for a moment of a video, and has the class of keywords.
    """
    asked = fold(text)
    for _ in range(3):
        asked = _LEAD.sub("", asked, count=1)
    for part in (asked, _CONTEXT.sub("", asked, count=1)):
        if _IN_VIDEO.match(part):
            return QueryClass.KEYWORDS
        for pattern, query_class in _CLASSES:
            if pattern.match(part):
                return query_class
    return QueryClass.KEYWORDS
