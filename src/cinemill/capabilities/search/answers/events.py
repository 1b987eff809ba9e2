"""What an answer sends to the client, in order: rewriting, retrieval, delta, citations, done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cinemill.core.retrieval.hits import Citation


class AnswerMode(StrEnum):
    """How an answer came about."""

    EXTRACTIVE = "extractive"
    """Sentences of the videos themselves, without a language model."""
    GENERATED = "generated"
    """Statements of a language model, each checked against its passages."""


class AbstainReason(StrEnum):
    """Why there is no answer."""

    NOTHING_FOUND = "nothing-found"
    NOT_RELEVANT = "not-relevant"
    """What was found does not answer the question."""
    NOT_SUPPORTED = "not-supported"
    """The model made no statement that its passages support, or found none itself."""


@dataclass(frozen=True, slots=True)
class RewritingEvent:
    """A language model is asked to complete a follow-up question, which may take long."""

    question: str
    """As it was asked."""


@dataclass(frozen=True, slots=True)
class RetrievalEvent:
    """What the answer may use; sent before anything is generated."""

    moments: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class DeltaEvent:
    """The next statement of the answer, which has been checked."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationsEvent:
    """The moments behind the statements: the first is ``[1]`` in the text."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The end of an answer; always the last event."""

    mode: AnswerMode
    abstained: AbstainReason | None = None
    model: str = ""
    """That generated it; empty for an extractive answer."""
    failure: str = ""
    """Stable code of why the language model did not finish."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many statements of the model were left out, by reason."""
    hidden: int = 0
    """How many passages were not shown to the model, since they speak to it."""


AnswerEvent = RewritingEvent | RetrievalEvent | DeltaEvent | CitationsEvent | DoneEvent
