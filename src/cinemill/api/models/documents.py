"""What all documents of the API share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.core.text.storable_text import Text
from cinemill.docstrings import DescribedModel

PREFIX = "/api/v1"
"""Where everything of this version is."""

Name = Annotated[Text, Field(max_length=255)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""In ISO 8601, UTC."""
OpenObject = dict[str, object]
"""A JSON object whose members depend on the kind of job or file that it belongs to."""


class Document(DescribedModel):
    """A JSON object with named members; each member's description goes into OpenAPI."""
