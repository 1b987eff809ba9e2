"""Follow-up questions as questions that can be understood alone, by rules. English only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from cinemill.capabilities.search.conversation.pronouns import (
    find_pronouns,
    find_topic,
    has_pronoun_before_name,
    resolve_pronouns,
)
from cinemill.capabilities.search.conversation.turns import (
    LONGEST_STANDALONE,
    MOST_TURNS,
    StandaloneQuery,
    Turn,
)
from cinemill.capabilities.search.language.words import (
    find_names,
    fold,
    list_words,
    make_word_set,
)
from cinemill.capabilities.search.query import LONGEST_QUERY
from cinemill.core.retrieval.hits import SearchFilters


def make_standalone(
    question: str, history: Sequence[Turn], *, filters: SearchFilters | None = None
) -> StandaloneQuery:
    """Return a question with what it leaves out filled in from the conversation, by rules.

    Filters of the last turn hold on for a follow-up, except where ``filters`` sets its own. English
    only; a question of another language stays as it is.
    """
    own = filters or SearchFilters()
    clean = " ".join(question.split())[:LONGEST_QUERY]
    turns = history[-MOST_TURNS:]
    if not turns or not is_follow_up(clean):
        return StandaloneQuery(clean, own, is_follow_up=False)
    last = turns[-1]
    text, carried = resolve_pronouns(_complete(clean, last), clean, turns)
    return StandaloneQuery(
        text[:LONGEST_STANDALONE],
        _carry_filters(own, last.filters),
        is_follow_up=True,
        carried=tuple(carried),
    )


_LEAD = re.compile(r"^(?:(?:and|but|so|then|also|ok|okay)\b[,\s]*)+", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\s*\?*$", re.IGNORECASE)
_ALONE = re.compile(
    r"^(who|whom|when|where|why|how|how many|how much|how long|which one|what else|who else|"
    r"where exactly|when exactly|why not|what time|(?:which|what) \w+|"
    r"(?:in|at|on|from|to|for|by|with|about|since|until|before|after) "
    r"(?:whom|when|where|how long|how many|how much|(?:which|what)(?: \w+)?))\s*\?*$",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"^(?:tell me more|more|more details|go on|continue|anything else|what more)\s*[?.!]*$",
    re.IGNORECASE,
)
_PART = re.compile(r"^(?:in|on|at|for|by|with|from|to|after|before|during)\s+\S", re.IGNORECASE)
_CLAUSE = re.compile(r"^(?:after|before)\s+(?:i|we|you|he|she|it|they)\b[^,]*$", re.IGNORECASE)
"""A part that has a verb: "after she was elected"."""
_ORDER = re.compile(
    r",\s*(?:please\s+)?(?:compare|describe|explain|find|give|list|name|show|summari[sz]e|tell)\b",
    re.IGNORECASE,
)
_ASKING = make_word_set("who whom whose when where why what which how")
_WH = re.compile(
    r"^(?:(?:for|to|with|by|from|in|on|at|since)\s+)?(?:who|whom|whose|when|where|why|what|which|"
    r"how(?: many| much| long| often| old| far)?)\b\s*",
    re.IGNORECASE,
)


def is_follow_up(question: str) -> bool:
    """Return whether a question needs the one before it to be understood."""
    bare = _LEAD.sub("", question)
    if bare != question or any(form.match(bare) for form in (_ABOUT, _ALONE, _MORE)):
        return True
    if _is_part(bare):
        return True
    if find_names(bare) and not has_pronoun_before_name(bare):
        return False
    return bool(find_pronouns(bare))


def _complete(question: str, last: Turn) -> str:
    """Return a question that leaves its predicate out with that of the last one."""
    bare = _LEAD.sub("", question)
    base = last.standalone.rstrip(" ?.!")
    if _MORE.match(bare):
        return f"{base}?"
    if about := _ABOUT.match(bare):
        return f"{_replace_subject(base, about[1].strip())}?"
    if alone := _ALONE.match(bare):
        return f"{alone[1]} {_WH.sub('', base)}?"
    if _is_part(bare):
        return f"{_replace_part(base, bare.rstrip(' ?.!'))}?"
    if bare != question and _is_phrase(bare):
        return f"{_replace_subject(base, bare.rstrip(' ?.!'))}?"
    return bare


def _is_part(text: str) -> bool:
    """Return whether a text is a place, a time or the like, and nothing is asked about it.

    "In Bergen?" leaves out what "In Bergen, how much does the ferry cost?" has.
    """
    if not _PART.match(text) or _ORDER.search(text):
        return False
    if _CLAUSE.match(text):
        return True
    # In the middle of a sentence a verb has no capital: "in May" is a time.
    return not any(
        word.folded in _ASKING or (word.folded in _VERBS and word.text.islower())
        for word in list_words(text)
    )


def _is_phrase(text: str) -> bool:
    """Return whether "and …" is followed by a thing only: "And Thomas Rossi?"."""
    words = [word.folded for word in list_words(text)]
    is_short = len(words) <= _LONGEST_PHRASE
    return is_short and not any(word in _VERBS or _WH.match(word) for word in words)


_LONGEST_PHRASE = 5
_VERBS = make_word_set(
    """is are was were do does did has have had can could will would should may might must"""
)


def _replace_subject(base: str, subject: str) -> str:
    """Return the last question about another subject."""
    names = find_names(base)
    topic = find_topic(base)
    if topic and not find_names(subject) and not find_pronouns(subject):
        return base.replace(topic, subject, 1)
    if names and not find_pronouns(subject):
        wanted = _is_like_place(base, names)
        return base.replace(names[wanted], subject, 1)
    return f"{base}, {subject}"


def _is_like_place(base: str, names: Sequence[str]) -> int:
    """Return the position of the first name that follows no preposition, else 0."""
    for at, name in enumerate(names):
        before = base[: base.find(name)].split()
        if not before or fold(before[-1]) not in {"in", "at", "on", "from", "to", "near"}:
            return at
    return 0


def _replace_part(base: str, part: str) -> str:
    """Return the last question with another place, time or the like."""
    preposition = part.split()[0]
    same = re.compile(
        rf"\b(?i:{re.escape(preposition)})\s+"
        r"(?:the(?:\s+[a-z][\w-]*){1,3}|(?:the\s+)?\S+(?:\s+[A-Z]\S*)*)$"
    )
    return same.sub(lambda _: part, base) if same.search(base) else f"{base} {part}"


def _carry_filters(own: SearchFilters, last: SearchFilters) -> SearchFilters:
    """Return the last turn's filters with those that the question sets itself."""
    empty = SearchFilters()
    names = SearchFilters.__dataclass_fields__
    changed = {
        name: getattr(own, name) for name in names if getattr(own, name) != getattr(empty, name)
    }
    return replace(last, **changed)
