"""Names that are known beforehand: of a library, a series, a company.

A name of the list goes before what a model finds: the model calls "Elinor" a place now and then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cinemill.core.knowledge.graph import EntityKind, TextSpan
from cinemill.errors import InputRejected, TooLarge

MOST_NAMES = 50_000
LONGEST_NAME_CHARACTERS = 200
NAME_RULE = f"must have a letter or a digit, and at most {LONGEST_NAME_CHARACTERS} characters"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s?$")


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name and what it names."""

    name: str
    kind: EntityKind


@dataclass(slots=True)
class _Node:
    """A place in the tree of names, one word a level."""

    following: dict[str, _Node] = field(default_factory=dict)
    known: KnownName | None = None


class Gazetteer:
    """Finds known names in text. Built once; reading it changes nothing.

    A name that begins with a capital is found where the text has one too, so that "May" is not
    found in "they may"; in a text without any capital, as some speech recognition writes, every
    name of several words is found, and of single ones none.

    Raises TooLarge (``too_many_names``), InputRejected (``name_invalid``).
    """

    def __init__(self, names: Iterable[KnownName]) -> None:
        self._root = _Node()
        self._names: list[KnownName] = []
        for count, known in enumerate(names, start=1):
            if count > MOST_NAMES:
                raise TooLarge(
                    f"A list of names has at most {MOST_NAMES}.",
                    code="too_many_names",
                    hint="Keep the names that occur in your videos.",
                )
            self._add(known)

    def _add(self, known: KnownName) -> None:
        if not is_name(known.name):
            raise InputRejected(
                f"A name {NAME_RULE}.",
                code="name_invalid",
                hint="Correct or remove the name in the list.",
            )
        node = self._root
        for word, _span in _split(known.name):
            node = node.following.setdefault(word.casefold(), _Node())
        if node.known is None:
            node.known = known
            self._names.append(known)

    @property
    def names(self) -> tuple[KnownName, ...]:
        """Return the names in the order of the list; of two spellings that are alike, the first."""
        return tuple(self._names)

    def find(self, text: str) -> list[tuple[KnownName, TextSpan]]:
        """Return known names with their characters, in order, without overlaps; longest first."""
        words = list(_split(text))
        has_capitals = any(character.isupper() for character in text)
        found: list[tuple[KnownName, TextSpan]] = []
        index = 0
        while index < len(words):
            match = self._match(text, words, index, has_capitals=has_capitals)
            if match is None:
                index += 1
                continue
            known, span, index = match
            found.append((known, span))
        return found

    def _match(
        self,
        text: str,
        words: list[tuple[str, TextSpan]],
        begin: int,
        *,
        has_capitals: bool,
    ) -> tuple[KnownName, TextSpan, int] | None:
        """Return the longest name that begins at this word, and the index of the word after it."""
        node, longest = self._root, None
        start = words[begin][1].start
        for index in range(begin, len(words)):
            word, span = words[index]
            following = node.following.get(word.casefold())
            if following is None:
                break
            node = following
            if node.known is not None and _is_written_so(
                node.known.name, text[start : span.end], has_capitals=has_capitals
            ):
                longest = (node.known, TextSpan(start, span.end), index + 1)
        return longest


def is_name(text: str) -> bool:
    """Check whether a text can be found as a name: it has a word and at most 200 characters."""
    return len(text) <= LONGEST_NAME_CHARACTERS and next(_split(text), None) is not None


def _split(text: str) -> Iterator[tuple[str, TextSpan]]:
    """Yield words with their characters; a possessive's ending is no part of its word."""
    for match in _WORD.finditer(text):
        word = _POSSESSIVE.sub("", match.group())
        yield word, TextSpan(match.start(), match.start() + len(word))


def _is_written_so(name: str, found: str, *, has_capitals: bool) -> bool:
    if not name[:1].isupper():
        return True
    return found[:1].isupper() if has_capitals else " " in name.strip()
