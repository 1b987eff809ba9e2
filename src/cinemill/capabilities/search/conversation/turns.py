"""Turns of a conversation, and what a follow-up becomes. Bounded: earlier turns are forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters

MOST_TURNS = 6
"""Earlier ones are forgotten."""
LONGEST_TURN = 2_000
"""Characters of a question or an answer that are remembered."""
LONGEST_STANDALONE = 500
MOST_ENTITIES = 16


@dataclass(frozen=True, slots=True)
class TurnEntity:
    """Something that a question or its answer named."""

    name: str
    kind: EntityKind | None = None
    """None where it is not known."""
    entity_id: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    question: str
    standalone: str
    """The question as it was searched for."""
    answer: str = ""
    """Statements without marks of citations; empty where there was none."""
    entities: tuple[TurnEntity, ...] = ()
    filters: SearchFilters = field(default_factory=SearchFilters)


@dataclass(frozen=True, slots=True)
class StandaloneQuery:
    """A question that can be searched for without the conversation."""

    text: str
    filters: SearchFilters
    is_follow_up: bool
    carried: tuple[str, ...] = ()
    """Names that were taken from earlier turns."""
