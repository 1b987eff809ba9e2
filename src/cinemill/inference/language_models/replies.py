"""Parts of documents that a server sent, which may be of any form."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from cinemill.core.documents import JsonObject, JsonValue
from cinemill.errors import make_storable
from cinemill.inference.language_models.connection import RequestRejected
from cinemill.inference.language_models.protocol import Prompt, ReplySchema

T = TypeVar("T")


def get_object(document: JsonObject, name: str) -> JsonObject:
    """Return a member that is an object; an empty one where it is something else."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def get_text(document: JsonObject, name: str) -> str:
    """Return a member that is a text, made storable; an empty one where it is something else."""
    found = document.get(name)
    return make_storable(found) if isinstance(found, str) else ""


def get_objects(document: JsonObject, name: str) -> list[JsonObject]:
    """Return the objects of a member that is a list."""
    found: JsonValue = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def get_count(document: JsonObject, name: str) -> int | None:
    """Return a member that is a whole number from 0 on."""
    found = document.get(name)
    is_count = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if isinstance(found, int) and is_count else None


def describe_schema(system: str, schema: ReplySchema) -> str:
    """Return the instructions with the schema in words, for servers that take none."""
    written = json.dumps(schema.schema, ensure_ascii=False)
    return f"{system}\n\nReply with one JSON object and nothing else. Its JSON schema:\n{written}"


class SchemaSupport:
    """Whether a server takes JSON schemas, which only asking it shows."""

    def __init__(self) -> None:
        self._is_refused = False

    def ask(self, prompt: Prompt, request: Callable[[Prompt, ReplySchema | None], T]) -> T:
        """Return what ``request`` returns for a prompt and the schema to send along.

        If the server refuses the request with a schema and takes it with the schema in words, it is
        not sent one again. Raises what ``request`` raises.
        """
        schema = prompt.schema
        if schema is None:
            return request(prompt, None)
        if not self._is_refused:
            try:
                return request(prompt, schema)
            except RequestRejected:
                reply = request(_put_into_words(prompt, schema), None)
                self._is_refused = True
                return reply
        return request(_put_into_words(prompt, schema), None)


def _put_into_words(prompt: Prompt, schema: ReplySchema) -> Prompt:
    return replace(prompt, system=describe_schema(prompt.system, schema))
