"""What a language model looks like from outside: text in, text out, and no tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cinemill.core.documents import JsonObject

DEFAULT_MOST_TOKENS = 1024


class Speaker(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of the conversation with the model."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class ReplySchema:
    """The JSON that is wanted. Servers that support schemas keep to it; others only read it."""

    name: str
    """Letters, digits and underscores."""
    schema: JsonObject


def closed_object(**members: JsonObject) -> JsonObject:
    """Return the JSON schema of an object that has all of these members, and no others."""
    return {
        "type": "object",
        "properties": {**members},
        "required": [*members],
        "additionalProperties": False,
    }


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked."""

    system: str
    messages: tuple[Message, ...]
    schema: ReplySchema | None = None
    """None for free text."""
    most_tokens: int = DEFAULT_MOST_TOKENS
    """Of the reply."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole reply: neither empty nor cut off."""

    text: str
    model: str
    """As the server names it."""
    input_tokens: int | None = None
    """None where the server counts none."""
    output_tokens: int | None = None


class LanguageModel(Protocol):
    """A model on a server. It may be used by several threads at once.

    Both methods raise what ``errors`` lists: a reply that is empty or was cut off is an error,
    never an answer.
    """

    @property
    def model_id(self) -> str: ...

    def complete(self, prompt: Prompt) -> Completion:
        """Return the whole reply."""
        ...

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """Yield the reply in pieces as they arrive; close the iterator to end the request.

        A reply that was empty or cut off raises at its end, after what had come was yielded.
        """
        ...
