"""What all documents of the API share."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from cinemill.api.middleware.root_path import ROOT_PATH
from cinemill.core.text.storable_text import Text
from cinemill.docstrings import DescribedModel

PREFIX = "/api/v1"
"""Where everything of this version is."""

Name = Annotated[Text, Field(max_length=255)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""In ISO 8601, UTC."""
OpenObject = dict[str, object]
"""A JSON object whose members depend on the kind of job or file that it belongs to."""


def make_link(path: str) -> str:
    """Return a link to a path below ``/api/v1``, as the present request's client can follow it."""
    return f"{ROOT_PATH.get()}{PREFIX}{path}"


def drop_version(link: str) -> str:
    """Return the link to the same without a version, which former clients know."""
    root_path = ROOT_PATH.get()
    return root_path + link.removeprefix(root_path).removeprefix(PREFIX)


class Document(DescribedModel):
    """A JSON object with named members; each member's description goes into OpenAPI."""


class RequestDocument(Document):
    """A JSON object that a client sends. Unknown members are refused: they may be misspelled."""

    model_config = ConfigDict(extra="forbid")
