"""Models of Anthropic's messages API, and of servers that speak it."""

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

DEFAULT_URL = "https://api.anthropic.com/v1"
API_VERSION = "2023-06-01"


class AnthropicModel(ServerModel):
    """A model of a server; see :class:`~.server_model.ServerModel`."""

    path = "/messages"
    whole_ends = frozenset({"end_turn", "stop_sequence"})

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
        headers = {"x-api-key": api_key, "anthropic-version": API_VERSION}
        super().__init__(
            ServerConnection(base_url, headers, model, limits or ServerLimits(), clock or Clock())
        )

    def _make_body(self, prompt: Prompt, schema: ReplySchema | None) -> dict[str, JsonValue]:
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

    def _read_reply(self, document: JsonObject) -> WholeReply:
        usage = get_object(document, "usage")
        return WholeReply(
            "".join(get_text(part, "text") for part in get_objects(document, "content")),
            get_text(document, "stop_reason"),
            get_count(usage, "input_tokens"),
            get_count(usage, "output_tokens"),
        )

    def _read_event(self, event: JsonObject) -> Piece:
        delta = get_object(event, "delta")
        return Piece(get_text(delta, "text"), get_text(delta, "stop_reason"))
