"""Problem documents (RFC 9457), and how OpenAPI says which a route sends."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import Field

from cinemill.api.middleware.problems import MEDIA_TYPE
from cinemill.api.models.documents import Document

SCHEMA_NAME = "Problem"
_REFERENCE = {"$ref": f"#/components/schemas/{SCHEMA_NAME}"}


class FieldProblem(Document):
    """One wrong parameter."""

    name: str
    what: str


class Problem(Document):
    """Why a request was refused or failed."""

    type: str
    title: str
    status: int
    detail: str
    """A sentence for a person."""
    code: str
    """Stable; see the list of errors in the reference."""
    hint: str
    """What the reader can do."""
    retryable: bool
    """Whether the same request may succeed at another time."""
    log_tail: str = ""
    """The last lines of the command, where one was run."""
    problems: list[FieldProblem] = Field(default_factory=list)
    """Every wrong parameter, where the code is `parameters_invalid`."""


Responses = dict[int | str, dict[str, Any]]
"""As FastAPI takes them."""


def problems(*statuses: int) -> Responses:
    """Return the declaration of problem documents with these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": _REFERENCE}},
        }
        for status in statuses
    }


def created(what: str) -> Responses:
    """Return the declaration of 201, whose header ``Location`` is the address of ``what``."""
    return {201: {"headers": {"Location": {"description": what, "schema": {"type": "string"}}}}}


CREATED = created("The job.")
EVENT_STREAM = "text/event-stream"


def events(documents: Mapping[str, str]) -> Responses:
    """Return the declaration of a stream of events: the model of each one's data, by its name."""
    models = [{"$ref": f"#/components/schemas/{one}"} for one in documents.values()]
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": models[0] if len(models) == 1 else {"anyOf": models},
    }
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "enum": list(documents)},
            "data": data,
            "id": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        },
    }
    # Of OpenAPI 3.2, which readers of 3.1 leave out, and which FastAPI writes as well.
    return {200: {"content": {EVENT_STREAM: {"itemSchema": event}}}}


FILE_TYPES = (
    "application/dash+xml",
    "application/json",
    "application/octet-stream",
    "application/vnd.apple.mpegurl",
    "application/x-subrip",
    "audio/flac",
    "audio/mp4",
    "image/jpeg",
    "text/plain",
    "text/vtt",
    "video/mp4",
    "video/webm",
    "video/x-matroska",
)
"""Media types of the files that Cinemill makes; packages may make others."""
_CONTENT = {"schema": {"type": "string", "format": "binary"}}
_FILE_CONTENT = dict.fromkeys((*FILE_TYPES, "*/*"), _CONTENT)
FILE: Responses = {
    200: {"description": "The file, with its own media type.", "content": _FILE_CONTENT},
    206: {
        "description": "The requested range of the file, or several of them.",
        "content": {**_FILE_CONTENT, "multipart/byteranges": _CONTENT},
    },
    **problems(404, 416),
}
NOT_MODIFIED: Responses = {
    304: {
        "description": "The client has this answer: its ETag is in the request's `If-None-Match`.",
        "headers": {"ETag": {"schema": {"type": "string"}}},
    }
}
SIGN_IN = {"text/html": {"schema": {"type": "string"}}}
"""Of a 401, for browsers that follow a link: a page to sign in."""
WITHOUT_TOKEN = problems(400, 403, 408, 414, 431, 500, 503)
"""Malformed, slow or too long requests; other hosts and sites; a busy server."""
WITH_TOKEN = problems(401) | WITHOUT_TOKEN
