"""What the models of a timeline have in common: their base, elements with a source, limits."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import ConfigDict, model_validator

from cinemill.capabilities.render.timeline.fields import Text
from cinemill.capabilities.render.timeline.timeline import Source
from cinemill.core.parameters import Parameters, reject
from cinemill.errors import InputRejected


def exactly_one(*names: str) -> dict[str, Any]:
    """Return the JSON Schema of an object of whose members ``names`` exactly one is not null."""
    return {
        "oneOf": [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names
        ]
    }


class TimelineModel(Parameters):
    """The base of all objects in a timeline."""

    error_code = "timeline_invalid"


class SourcedDocument(TimelineModel):
    """An element that is made of a file or a stored asset."""

    model_config = ConfigDict(json_schema_extra=exactly_one("path", "asset_id"))
    source_code: ClassVar[str]
    """The code where the element names no source, or two."""

    path: Text | None = None
    """Path of a file that the workers can read. Either this or asset_id is required."""
    asset_id: Text | None = None
    """Id of a stored asset. Either this or path is required."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.path is None and self.asset_id is None:
            hint = "Give the path of a file that the workers can read, or the id of a stored asset."
            sentence = "it has neither a path nor an asset_id."
            raise reject(sentence, code=self.source_code, hint=hint)
        if self.path is not None and self.asset_id is not None:
            sentence, hint = "it has both a path and an asset_id.", "Leave one of the two out."
            raise reject(sentence, code=self.source_code, hint=hint)
        return self

    @property
    def source(self) -> Source:
        """The file or asset that the element is made of."""
        return Source(self.path, self.asset_id)


def reject_length(noun: str, maximum: int, count: int) -> InputRejected:
    """Return the rejection of a list of ``count`` elements, of which there may be ``maximum``."""
    return InputRejected(
        f"A timeline has at most {maximum} {noun}, and this one has {count}.",
        code="timeline_too_long",
        hint="Render it in parts, and then join the parts.",
    )


def check_length(value: Any, noun: str, maximum: int) -> None:
    """Reject a long list before any of its elements is read. Raises what a validator raises."""
    if isinstance(value, list | tuple) and len(value) > maximum:
        error = reject_length(noun, maximum, len(value))
        raise reject(error.message, code=error.code, hint=error.hint)
