"""Problem documents (RFC 9457), and how OpenAPI says which a route sends."""

from __future__ import annotations

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


CREATED: Responses = {
    201: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}}
}
EVENTS: Responses = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
FILE: Responses = {
    200: {"description": "The file, with its own media type.", "content": _BYTES},
    206: {"description": "The requested range of the file.", "content": _BYTES},
    **problems(404, 416),
}
WITHOUT_TOKEN = problems(400, 403, 408, 414, 431, 500, 503)
"""Malformed, slow or too long requests; other hosts and sites; a busy server."""
WITH_TOKEN = problems(401) | WITHOUT_TOKEN
