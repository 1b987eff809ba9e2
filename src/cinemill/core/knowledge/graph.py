"""Entities, where they are mentioned, and relations between them with their evidence.

Weights are not stored: they are counted from mentions and evidence, so that deleting a video leaves
exactly what the other videos say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntityKind(StrEnum):
    """What an entity is."""

    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"
    EVENT = "event"
    WORK = "work"
    """A book, a film, a law."""
    PRODUCT = "product"
    THING = "thing"
    """An object that was seen, or a concept that is spoken of."""
    DATE = "date"
    QUANTITY = "quantity"


class Modality(StrEnum):
    """How a video contains something."""

    SPEECH = "speech"
    TEXT = "text"
    """Read in the picture."""
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Characters of a text, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity in a passage's text, or in the picture."""

    name: str
    """As it is written or said there."""
    kind: EntityKind
    modality: Modality
    start_ms: int
    end_ms: int
    span: TextSpan | None = None
    """In the text it was found in; None for what was seen."""
    confidence: float | None = None
    is_inferred: bool = False
    """A pronoun that was resolved."""


class RelationKind(StrEnum):
    """How firmly a relation is known."""

    STATED = "stated"
    """A sentence states it."""
    INFERRED = "inferred"
    """A sentence states it of a pronoun, which was resolved."""
    CO_OCCURRENCE = "co-occurrence"
    """Both are mentioned in the same passage, and nothing is said of how they relate."""
    SPATIAL = "spatial"
    """Seen in one shot: next to, above, inside."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A statement about a subject, at one moment: the evidence of an edge in the graph."""

    subject: str
    predicate: str
    """Lemma of a verb with its particle or preposition: ``negotiate with``."""
    object: str
    kind: RelationKind
    start_ms: int
    end_ms: int
    span: TextSpan | None = None
    is_negated: bool = False
    is_possible: bool = False
    """Under a modal verb or a condition: it may, would or should be so."""
    according_to: str = ""
    """Who says so, where a clause names someone."""
    confidence: float | None = None
