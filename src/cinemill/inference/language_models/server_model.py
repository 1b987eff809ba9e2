"""What the protocols of language models have in common: a request, a reply, and its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from cinemill.core.documents import JsonObject, JsonValue
from cinemill.inference.language_models.connection import BeforeRepeat, ServerConnection
from cinemill.inference.language_models.errors import ReplyInvalid, cut_off_reply, empty_reply
from cinemill.inference.language_models.events import read_events
from cinemill.inference.language_models.protocol import Completion, Prompt, ReplySchema
from cinemill.inference.language_models.replies import SchemaSupport, get_object, get_text


@dataclass(frozen=True, slots=True)
class WholeReply:
    """What a protocol finds in the document of a reply."""

    text: str
    end: str
    """Why the model stopped; empty where that is not said."""
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """What a protocol finds in an event of a stream; either may be empty."""

    text: str
    end: str


class ServerModel(ABC):
    """A model of a server; see :class:`~.protocol.LanguageModel`.

    A server that refuses JSON schemas gets the schema as words. A protocol says what is sent, and
    where in a reply its parts are.
    """

    path: ClassVar[str]
    """Of the address, after the version."""
    whole_ends: ClassVar[frozenset[str]]
    """How the protocol says that a reply came to an end of its own."""

    def __init__(self, connection: ServerConnection) -> None:
        self.model_id = connection.name
        self._connection = connection
        self._schemas = SchemaSupport()

    @property
    def requests_sent(self) -> int:
        """How many requests were sent so far, each attempt counted; exact in a single thread."""
        return self._connection.sent

    def watch_repeats(self, before_repeat: BeforeRepeat) -> None:
        """Have a function called before each attempt but the first; what it raises is raised."""
        self._connection.before_repeat = before_repeat

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def complete(self, prompt: Prompt) -> Completion:
        """Return the whole reply; see :class:`~.protocol.LanguageModel`."""
        document = self._schemas.ask(
            prompt,
            lambda asked, schema: self._connection.post(self.path, self._make_body(asked, schema)),
        )
        reply = self._read_reply(document)
        self._require_end(reply.end)
        if not reply.text.strip():
            raise empty_reply(self.model_id)
        return Completion(
            reply.text,
            get_text(document, "model") or self.model_id,
            reply.input_tokens,
            reply.output_tokens,
        )

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """Yield the reply in pieces; see :class:`~.protocol.LanguageModel`."""
        reply = self._schemas.ask(
            prompt,
            lambda asked, schema: self._connection.open(
                self.path, {**self._make_body(asked, schema), "stream": True}
            ),
        )
        end, has_text = "", False
        with closing(reply):
            for event in read_events(reply, self.model_id):
                if error := get_object(event, "error"):
                    raise ReplyInvalid(f"{self.model_id} failed: {get_text(error, 'message')}.")
                piece = self._read_event(event)
                end = piece.end or end
                if piece.text:
                    has_text = has_text or not piece.text.isspace()
                    yield piece.text
        self._require_end(end)
        if not has_text:
            raise empty_reply(self.model_id)

    def _require_end(self, reason: str) -> None:
        """Raise ReplyInvalid unless the model came to an end of its own."""
        if reason not in self.whole_ends:
            raise cut_off_reply(self.model_id, reason or "no end was received")

    @abstractmethod
    def _make_body(self, prompt: Prompt, schema: ReplySchema | None) -> dict[str, JsonValue]:
        """Return what is sent for a whole reply."""

    @abstractmethod
    def _read_reply(self, document: JsonObject) -> WholeReply:
        """Return the parts of a whole reply."""

    @abstractmethod
    def _read_event(self, event: JsonObject) -> Piece:
        """Return the parts of an event of a stream."""
