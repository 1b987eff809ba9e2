"""Models of Anthropic's messages API, and of servers that speak it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from cinemill.core.documents import JsonObject, JsonValue
from cinemill.inference.language_models.connection import (
    Clock,
    ServerConnection,
    ServerLimits,
)
from cinemill.inference.language_models.errors import ReplyInvalid, cut_off_reply, empty_reply
from cinemill.inference.language_models.events import read_events
from cinemill.inference.language_models.protocol import Completion, Prompt, ReplySchema
from cinemill.inference.language_models.replies import (
    SchemaSupport,
    get_count,
    get_object,
    get_objects,
    get_text,
)

PATH = "/messages"
DEFAULT_URL = "https://api.anthropic.com/v1"
API_VERSION = "2023-06-01"
_WHOLE = frozenset({"end_turn", "stop_sequence"})


class AnthropicModel:
    """A model of a server; see :class:`~.protocol.LanguageModel`.

    A server that refuses JSON schemas gets the schema as words.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        base_url: str = DEFAULT_URL,
        *,
        limits: ServerLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Set up a model. ``base_url`` goes up to the version.

        Raises LanguageModelRefused (``language_model_address``).
        """
        self.model_id = model
        headers = {"x-api-key": api_key, "anthropic-version": API_VERSION}
        self._connection = ServerConnection(
            base_url, headers, model, limits or ServerLimits(), clock or Clock()
        )
        self._schemas = SchemaSupport()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def complete(self, prompt: Prompt) -> Completion:
        """Return the whole reply; see :class:`~.protocol.LanguageModel`."""
        document = self._schemas.ask(
            prompt, lambda asked, schema: self._connection.post(PATH, self._body(asked, schema))
        )
        parts = get_objects(document, "content")
        text = "".join(get_text(part, "text") for part in parts)
        _require_end(self.model_id, get_text(document, "stop_reason"))
        if not text.strip():
            raise empty_reply(self.model_id)
        usage = get_object(document, "usage")
        return Completion(
            text,
            get_text(document, "model") or self.model_id,
            get_count(usage, "input_tokens"),
            get_count(usage, "output_tokens"),
        )

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """Yield the reply in pieces; see :class:`~.protocol.LanguageModel`."""
        reply = self._schemas.ask(
            prompt,
            lambda asked, schema: self._connection.open(
                PATH, {**self._body(asked, schema), "stream": True}
            ),
        )
        end, has_text = "", False
        with closing(reply):
            for event in read_events(reply, self.model_id):
                if error := get_object(event, "error"):
                    raise ReplyInvalid(f"{self.model_id} failed: {get_text(error, 'message')}.")
                delta = get_object(event, "delta")
                end = get_text(delta, "stop_reason") or end
                if piece := get_text(delta, "text"):
                    has_text = has_text or not piece.isspace()
                    yield piece
        _require_end(self.model_id, end)
        if not has_text:
            raise empty_reply(self.model_id)

    def _body(self, prompt: Prompt, schema: ReplySchema | None) -> dict[str, JsonValue]:
        # Temperature and the like are not sent: newer versions of the API refuse them.
        body: dict[str, JsonValue] = {
            "model": self.model_id,
            "system": prompt.system,
            "messages": [
                {"role": one.speaker.value, "content": one.text} for one in prompt.messages
            ],
            "max_tokens": prompt.most_tokens,
        }
        if schema is not None:
            wanted: JsonObject = {"type": "json_schema", "schema": schema.schema}
            body["output_config"] = {"format": wanted}
        return body


def _require_end(model: str, reason: str) -> None:
    """Raise ReplyInvalid unless the model came to an end of its own."""
    if reason not in _WHOLE:
        raise cut_off_reply(model, reason or "no end was received")
