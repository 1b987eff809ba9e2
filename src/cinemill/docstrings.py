"""The docstrings below the fields of a class, read when somebody asks for them.

Pydantic's ``use_attribute_docstrings`` reads them when the class is created. For the models of
parameters and the settings that adds about 0.1 s of CPU to the start of every process (measured),
and few processes show a description.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema


@cache
def read_docstrings(model: type[object]) -> dict[str, str]:
    """Return the docstring below each field that a top-level class defines itself, cleaned."""
    definition = ast.parse(inspect.getsource(model)).body[0]
    statements = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        ast.unparse(field.target): inspect.cleandoc(text.value.value)
        for field, text in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


class DescribedModel(BaseModel):
    """The base of models that are documented by their fields' docstrings.

    They are read when a schema is written, not when the class is created.
    """

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        document = handler(core_schema)
        properties = handler.resolve_ref_schema(document).get("properties", {})
        for name, field in cls.model_fields.items():
            shown = properties.get(_alias_of(field), properties.get(name))
            text = find_docstring(cls, name)
            if shown is not None and text:
                shown.setdefault("description", text)
        return document


def _alias_of(field: FieldInfo) -> str | None:
    aliases = (field.validation_alias, field.serialization_alias)
    return next((alias for alias in aliases if isinstance(alias, str)), None)


def find_docstring(model: type[BaseModel], name: str) -> str:
    """Return the docstring below a field, in the last class that defines it."""
    for base in model.__mro__:
        if name in inspect.get_annotations(base):
            return read_docstrings(base).get(name, "")
    return ""
