"""A model whose JSON Schema has the docstrings below its fields as descriptions."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from cinemill.docstrings import read_docstrings


class DescribedModel(BaseModel):
    """The base of models that are documented by their fields' docstrings.

    They are read when a schema is written, not when the class is created: see ``docstrings``.
    """

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        document = handler(core_schema)
        properties = handler.resolve_ref_schema(document).get("properties", {})
        for name, field in cls.model_fields.items():
            shown = properties.get(_alias_of(field), properties.get(name))
            text = _find_docstring(cls, name)
            if shown is not None and text:
                shown.setdefault("description", text)
        return document


def _alias_of(field: FieldInfo) -> str | None:
    aliases = (field.validation_alias, field.serialization_alias)
    return next((alias for alias in aliases if isinstance(alias, str)), None)


def _find_docstring(model: type[BaseModel], name: str) -> str:
    """Return the docstring below a field, in the last class that defines it."""
    for base in model.__mro__:
        if name in inspect.get_annotations(base):
            return read_docstrings(base).get(name, "")
    return ""
