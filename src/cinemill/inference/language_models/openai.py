"""Models on servers with OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, NIM."""

from __future__ import annotations

from cinemill.core.documents import JsonObject, JsonValue
from cinemill.inference.language_models.connection import (
    Clock,
    ServerConnection,
    ServerLimits,
)
from cinemill.inference.language_models.protocol import Prompt, ReplySchema
from cinemill.inference.language_models.replies import (
    get_count,
    get_object,
    get_objects,
    get_text,
)
from cinemill.inference.language_models.server_model import Piece, ServerModel, WholeReply


class OpenAIModel(ServerModel):
    """A model of a server; see :class:`~.server_model.ServerModel`."""

    path = "/chat/completions"
    whole_ends = frozenset({"stop"})

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
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        super().__init__(
            ServerConnection(base_url, headers, model, limits or ServerLimits(), clock or Clock())
        )

    def _make_body(self, prompt: Prompt, schema: ReplySchema | None) -> dict[str, JsonValue]:
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

    def _read_reply(self, document: JsonObject) -> WholeReply:
        choice = _first_choice(document)
        usage = get_object(document, "usage")
        return WholeReply(
            get_text(get_object(choice, "message"), "content"),
            get_text(choice, "finish_reason"),
            get_count(usage, "prompt_tokens"),
            get_count(usage, "completion_tokens"),
        )

    def _read_event(self, event: JsonObject) -> Piece:
        choice = _first_choice(event)
        text = get_text(get_object(choice, "delta"), "content")
        return Piece(text, get_text(choice, "finish_reason"))


def _first_choice(document: JsonObject) -> JsonObject:
    """Return the first choice; the last event of a stream may have none."""
    choices = get_objects(document, "choices")
    return choices[0] if choices else {}
