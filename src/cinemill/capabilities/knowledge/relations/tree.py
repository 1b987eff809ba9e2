"""A sentence as a tree: what depends on what. Walks without recursion, however deep a tree is."""

from __future__ import annotations

from collections.abc import Container, Iterator

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.repairs import is_list, repair_sentence
from cinemill.inference.language.parses import ParsedText, ParsedToken


class Tree:
    """The tokens ``[first, end)`` of a parsed text, which are one sentence."""

    def __init__(self, parsed: ParsedText, first: int, end: int) -> None:
        self.parsed = parsed
        self.first, self.end = first, end
        self._tokens = repair_sentence(parsed.tokens[first:end])
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
            pending += [child for child in self.children(member) if self._is_listed(member, child)]
        return sorted(found, key=lambda member: member.index)

    def _is_listed(self, member: ParsedToken, child: ParsedToken) -> bool:
        if not _is_same_part(member, child):
            return False
        if child.dependency in ("nmod", "compound"):
            return self.ends_at_comma(child)
        if member.part == child.part == "PROPN" and child.dependency in ("appos", "npadvmod"):
            # "Dayton, Ohio" is one place; "Paris, Rome, Vienna" are three.
            is_inside = member.dependency == "conj" and not self.child(self.head(member), "cc")
            return is_inside or bool(self.child(child, "conj") or self.child(member, "conj"))
        return child.dependency == "conj" or (
            child.dependency == "appos" and self.is_list(member, child)
        )

    def ends_at_comma(self, noun: ParsedToken) -> bool:
        """Return whether a comma follows a noun at once: it is a member of a list then."""
        at = noun.index - self.first + 1
        return noun.part in grammar.NAMES_AND_NOUNS and (
            at < len(self._tokens) and self._tokens[at].text == ","
        )

    def is_list(self, noun: ParsedToken, other: ParsedToken) -> bool:
        """Return whether two nouns in a row are a list, and not a noun and its apposition.

        An apposition changes the determiner, or names somebody.
        """
        return is_list(self._tokens, noun, other)

    def is_negated(self, token: ParsedToken) -> bool:
        """Return whether a "not", "no" or "never" depends on a token itself, or it means nobody."""
        if token.text.lower() in grammar.NOBODY:
            return True
        for child in self.children(token):
            word = child.text.lower()
            if child.dependency == "neg" or word == "never":
                return True
            if word in grammar.NEGATIVE_DETERMINERS and child.dependency in (
                *("det", "preconj", "cc", "advmod"),
            ):
                return True
            # "Nor did the enemy take it": joined to the sentence before.
            if word == "nor" and child.index < token.index:
                return True
        return False

    def is_negated_member(self, token: ParsedToken) -> bool:
        """Return whether a token is negated, also by its list: "no food or water"."""
        if self.is_negated(token):
            return True
        first = self._first_member(token)
        return first is not token and self.is_negated(first) and self.has_or(token)

    def is_contrasted(self, token: ParsedToken) -> bool:
        """Return whether a token comes after "but", and a "not" before does not reach it."""
        if token.dependency != "conj":
            return False
        joins = [one.text.lower() for one in self.children(self.head(token), ("cc",))]
        return "but" in joins and not self.is_negated(token)

    def has_or(self, token: ParsedToken) -> bool:
        """Return whether the members of a token's list are joined by "or" or "nor"."""
        pending = [self._first_member(token)]
        while pending:
            member = pending.pop()
            if any(one.text.lower() in ("or", "nor") for one in self.children(member, ("cc",))):
                return True
            pending += self.children(member, ("conj",))
        return False

    def _first_member(self, token: ParsedToken) -> ParsedToken:
        while token.dependency == "conj" and token.head != token.index:
            token = self.head(token)
        return token

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


def _is_same_part(token: ParsedToken, other: ParsedToken) -> bool:
    """Return whether two tokens can be members of one list: both verbs, or neither."""
    verbs = ("VERB", "AUX")
    return (token.part in verbs) == (other.part in verbs)
