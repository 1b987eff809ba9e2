"""Models on servers with OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, NIM."""

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

PATH = "/chat/completions"
_WHOLE = "stop"


class OpenAIModel:
    """A model of a server; see :class:`~.protocol.LanguageModel`.

    A server that refuses JSON schemas gets the schema as words.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        *,
        limits: ServerLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Set up a model. ``base_url`` goes up to the version: ``http://127.0.0.1:8000/v1``.

        Raises LanguageModelRefused (``language_model_address``).
        """
        self.model_id = model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
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
        choice = _first_choice(document)
        text = get_text(get_object(choice, "message"), "content")
        _require_end(self.model_id, get_text(choice, "finish_reason"))
        if not text.strip():
            raise empty_reply(self.model_id)
        usage = get_object(document, "usage")
        return Completion(
            text,
            get_text(document, "model") or self.model_id,
            get_count(usage, "prompt_tokens"),
            get_count(usage, "completion_tokens"),
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
                choice = _first_choice(event)
                end = get_text(choice, "finish_reason") or end
                if piece := get_text(get_object(choice, "delta"), "content"):
                    has_text = has_text or not piece.isspace()
                    yield piece
        _require_end(self.model_id, end)
        if not has_text:
            raise empty_reply(self.model_id)

    def _body(self, prompt: Prompt, schema: ReplySchema | None) -> dict[str, JsonValue]:
        messages: list[JsonValue] = [{"role": "system", "content": prompt.system}]
        messages += [{"role": one.speaker.value, "content": one.text} for one in prompt.messages]
        body: dict[str, JsonValue] = {
            "model": self.model_id,
            "messages": messages,
            "max_tokens": prompt.most_tokens,
        }
        if schema is not None:
            described: JsonObject = {"name": schema.name, "strict": True, "schema": schema.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        return body


def _first_choice(document: JsonObject) -> JsonObject:
    """Return the first choice; the last event of a stream may have none."""
    choices = get_objects(document, "choices")
    return choices[0] if choices else {}


def _require_end(model: str, reason: str) -> None:
    """Raise ReplyInvalid unless the model came to an end of its own."""
    if reason != _WHOLE:
        raise cut_off_reply(model, reason or "no end was received")
