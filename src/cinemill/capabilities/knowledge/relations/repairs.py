"""Two mistakes that parsers make in speeches, put right by grammar.

A list without "and" is taken apart: "our budget, our schedule, our staff were enough" becomes a
noun that hangs somewhere and an apposition. And a verb gets two subjects in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.inference.language.parses import ParsedToken

_LOOSE = frozenset({"dep", "npadvmod"})
_ROLES = grammar.SUBJECTS | grammar.DIRECT_OBJECTS


def repair_sentence(tokens: Sequence[ParsedToken]) -> tuple[ParsedToken, ...]:
    """Return the tokens of one sentence, with lists joined and one subject a verb."""
    return tuple(_repair_subjects(_repair_lists(list(tokens))))


def is_list(tokens: Sequence[ParsedToken], noun: ParsedToken, other: ParsedToken) -> bool:
    """Return whether two nouns in a row are a list, and not a noun and its apposition.

    They have the same determiner, or the second has none, and neither is a name: an apposition has
    another determiner, or names somebody.
    """
    if noun.part != "NOUN" or other.part != "NOUN":
        return False
    return _find_determiner(tokens, other) in ("", _find_determiner(tokens, noun))


def _repair_lists(tokens: list[ParsedToken]) -> list[ParsedToken]:
    """Join nouns of one verb that only a comma separates, if they are a list."""
    first = tokens[0].index if tokens else 0
    nouns = [token for token in tokens if token.part == "NOUN"]
    edges = {noun.index: _find_edges(tokens, noun) for noun in nouns}
    for noun, other in ((a, b) for a in nouns for b in nouns if a.index < b.index):
        one, two = tokens[noun.index - first], tokens[other.index - first]
        comma = edges[one.index][1] + 1
        is_next = edges[two.index][0] == comma + 1 and tokens[comma - first].text == ","
        if not is_next or one.head != two.head or not _can_be_listed(tokens, one, two):
            continue
        if one.dependency in _LOOSE:
            tokens[one.index - first] = replace(one, dependency=two.dependency)
        tokens[two.index - first] = replace(two, dependency="conj", head=one.index)
    return tokens


def _can_be_listed(tokens: Sequence[ParsedToken], noun: ParsedToken, other: ParsedToken) -> bool:
    roles = {noun.dependency, other.dependency}
    if not roles & _ROLES or not roles <= _ROLES | _LOOSE | {"appos"}:
        return False
    # "Last night, forces attacked" is no list.
    is_sure = noun.dependency in _ROLES or bool(_find_determiner(tokens, other))
    return is_sure and is_list(tokens, noun, other)


def _repair_subjects(tokens: list[ParsedToken]) -> list[ParsedToken]:
    """Leave one subject to each verb.

    Of two in a row, the second is the first one's apposition if it stands between commas; else the
    first says when: "Four score years ago our fathers".
    """
    first = tokens[0].index if tokens else 0
    subjects: dict[int, ParsedToken] = {}
    for token in list(tokens):
        if token.dependency not in grammar.SUBJECTS or token.part == "DET":
            continue
        earlier = subjects.setdefault(token.head, token)
        if earlier is token:
            continue
        start, last = _find_edges(tokens, token)
        before, after = tokens[max(0, start - 1 - first)], tokens[last + 1 - first :][:1]
        if before.text == "," and [one.text for one in after] == [","]:
            tokens[token.index - first] = replace(token, dependency="appos", head=earlier.index)
        else:
            tokens[earlier.index - first] = replace(earlier, dependency="npadvmod")
            subjects[token.head] = token
    return tokens


def _find_determiner(tokens: Sequence[ParsedToken], noun: ParsedToken) -> str:
    return next(
        (
            token.lemma.lower()
            for token in tokens
            if token.head == noun.index and token.dependency in ("det", "poss")
        ),
        "",
    )


def _find_edges(tokens: Sequence[ParsedToken], noun: ParsedToken) -> tuple[int, int]:
    """Return the first and the last token that a noun and its modifiers take up.

    Punctuation at the end is no part of it.
    """
    inside = {noun.index}
    # A modifier may come before what it depends on; each round finds at least one more.
    while True:
        more = {t.index for t in tokens if t.head in inside and t.index not in inside}
        if not more:
            break
        inside |= more
    last = max(
        (i for i in inside if tokens[i - tokens[0].index].part != "PUNCT"), default=noun.index
    )
    return min(inside), last
