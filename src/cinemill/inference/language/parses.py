"""What a parser finds in a text, in terms of no library, and the protocol of parsers.

Labels are those of spaCy's English models: dependencies of ClearNLP (``nsubj``, ``dobj``, …), tags
of the Penn Treebank, kinds of names of OntoNotes (``PERSON``, ``GPE``, …).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cinemill.core.knowledge.graph import TextSpan

LONGEST_TEXT_CHARACTERS = 5_000
"""Of one text: a passage has a few hundred. The time for a text of quotes grows with its square."""
MOST_TEXTS = 10_000
"""In one call: the passages of a day."""


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A word or a punctuation mark."""

    index: int
    """From 0, within its text."""
    text: str
    lemma: str
    part: str
    """Universal part of speech: ``NOUN``, ``PROPN``, ``VERB``, …"""
    tag: str
    """Of the Penn Treebank: ``VBN``, ``WDT``, …"""
    dependency: str
    """How it depends on its head; ``ROOT`` where it is the head of its sentence."""
    head: int
    """Index of the token that it depends on; its own where it is the head of its sentence."""
    span: TextSpan


@dataclass(frozen=True, slots=True)
class NamedSpan:
    """A name: characters, and tokens, both half-open."""

    span: TextSpan
    first_token: int
    end_token: int
    label: str


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A text with its tokens in order, its sentences as ranges of tokens, and its names."""

    text: str
    tokens: tuple[ParsedToken, ...]
    sentences: tuple[tuple[int, int], ...]
    """First token and the one after the last; they cover all tokens."""
    names: tuple[NamedSpan, ...]


class TextParser(Protocol):
    """Parses text of one language."""

    @property
    def model_id(self) -> str:
        """Return the model's name and the revision of its weights."""
        ...

    @property
    def language(self) -> str:
        """Return the ISO 639 code of the language that it parses."""
        ...

    def parse(self, texts: Sequence[str]) -> list[ParsedText]:
        """Return what is found in each text, in order.

        Raises TooLarge (``text_too_long``, ``too_many_texts``).
        """
        ...
