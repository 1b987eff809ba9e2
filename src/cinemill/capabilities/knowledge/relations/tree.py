"""A sentence as a tree: what depends on what. Walks without recursion, however deep a tree is."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.inference.language.parses import ParsedText, ParsedToken


class Tree:
    """The tokens ``[first, end)`` of a parsed text, which are one sentence."""

    def __init__(self, parsed: ParsedText, first: int, end: int) -> None:
        self.parsed = parsed
        self.first, self.end = first, end
        self._tokens = repair_subjects(parsed.tokens[first:end])
        self._children: dict[int, list[ParsedToken]] = {}
        for token in self.tokens:
            if token.head != token.index:
                self._children.setdefault(token.head, []).append(token)

    @property
    def tokens(self) -> tuple[ParsedToken, ...]:
        return self._tokens

    @property
    def is_question(self) -> bool:
        return any(token.text == "?" for token in self.tokens[-3:])

    def head(self, token: ParsedToken) -> ParsedToken:
        """Return what a token depends on; the token itself where it heads the sentence."""
        return self._tokens[token.head - self.first]

    def children(
        self, token: ParsedToken, dependencies: Container[str] | None = None
    ) -> list[ParsedToken]:
        """Return what depends on a token, in order; with ``dependencies``, only those so."""
        found = self._children.get(token.index, [])
        if dependencies is None:
            return found
        return [child for child in found if child.dependency in dependencies]

    def child(self, token: ParsedToken, *dependencies: str) -> ParsedToken | None:
        """Return the first that depends on a token so, or None."""
        return next(iter(self.children(token, dependencies)), None)

    def members(self, token: ParsedToken) -> list[ParsedToken]:
        """Return the members of a list that a token begins, itself included, in order.

        Besides what the parser joins, these are the rest of a list without "and", which parsers
        take for appositions: "her sorrows, her joys", "handsome features, noble mien".
        """
        found: list[ParsedToken] = []
        pending = [token]
        while pending:
            member = pending.pop()
            found.append(member)
            pending += [
                child
                for child in self.children(member, ("conj", "appos"))
                if _is_same_part(member, child)
                and (child.dependency == "conj" or self.is_list(member, child))
            ]
        return sorted(found, key=lambda member: member.index)

    def is_list(self, noun: ParsedToken, other: ParsedToken) -> bool:
        """Return whether two nouns in a row are a list, and not a noun and its apposition.

        An apposition changes the determiner, or names somebody.
        """
        return is_list(self._tokens, noun, other)

    def is_negated(self, token: ParsedToken) -> bool:
        """Return whether a "not", "no" or "never" depends on a token itself."""
        for child in self.children(token):
            word = child.text.lower()
            if child.dependency == "neg" or word == "never":
                return True
            if word in grammar.NEGATIVE_DETERMINERS and child.dependency in (
                "det",
                "preconj",
                "cc",
                "advmod",
            ):
                return True
        return False

    def ancestors(self, token: ParsedToken) -> Iterator[ParsedToken]:
        """Yield what a token depends on, up to the head of the sentence."""
        while token.head != token.index:
            token = self.head(token)
            yield token

    def subtree(self, token: ParsedToken) -> list[ParsedToken]:
        """Return a token and all that depends on it, in order."""
        found, pending = [], [token]
        while pending:
            one = pending.pop()
            found.append(one)
            pending += self.children(one)
        return sorted(found, key=lambda one: one.index)


def repair_subjects(tokens: tuple[ParsedToken, ...]) -> tuple[ParsedToken, ...]:
    """Return the tokens of a sentence with one subject a verb, as grammar wants it.

    Where the parser found two in a row, they are a list without "and", or a noun and its
    apposition, or the first says when: "Four score years ago our fathers".
    """
    repaired = list(tokens)
    subjects: dict[int, ParsedToken] = {}
    for token in tokens:
        if token.dependency not in grammar.SUBJECTS or token.part == "DET":
            continue
        earlier = subjects.get(token.head)
        subjects[token.head] = token
        if earlier is None:
            continue
        between = tokens[earlier.index - tokens[0].index + 1 : token.index - tokens[0].index]
        has_comma = any(one.text == "," for one in between)
        if has_comma and is_list(tokens, earlier, token):
            changed = replace(token, dependency="conj", head=earlier.index)
        elif has_comma and earlier.part == "PROPN" and token.part == "NOUN":
            changed = replace(token, dependency="appos", head=earlier.index)
        else:
            changed = replace(earlier, dependency="npadvmod")
        repaired[changed.index - tokens[0].index] = changed
        if changed.head == earlier.index:
            subjects[token.head] = earlier
    return tuple(repaired)


def is_list(tokens: Sequence[ParsedToken], noun: ParsedToken, other: ParsedToken) -> bool:
    """Return whether two nouns have the same determiner, or none, and are no names."""
    if noun.part != "NOUN" or other.part != "NOUN":
        return False
    return _find_determiner(tokens, noun) == _find_determiner(tokens, other)


def _find_determiner(tokens: Sequence[ParsedToken], noun: ParsedToken) -> str:
    return next(
        (
            token.lemma.lower()
            for token in tokens
            if token.head == noun.index and token.dependency in ("det", "poss")
        ),
        "",
    )


def _is_same_part(token: ParsedToken, other: ParsedToken) -> bool:
    """Return whether two tokens can be members of one list: both verbs, or neither."""
    verbs = ("VERB", "AUX")
    return (token.part in verbs) == (other.part in verbs)
