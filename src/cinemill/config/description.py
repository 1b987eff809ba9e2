"""How a setting is displayed in ``cinemill config`` and in the reference."""

from __future__ import annotations

import ast
import inspect
import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of ``cinemill config``; it contains no secret."""

    name: str
    """The name of the environment variable."""
    value_masked: str
    source: str
    """``environment``, the settings file's path, ``default``, ``derived from NAME``, ``running
    instance``, or ``argument`` of a direct construction."""
    meaning: str


def format_value(dumped: object) -> str:
    """Return a value as text; ``dumped`` is from a JSON dump, where secrets are masked already."""
    if dumped is None or dumped == "":
        return "unset" if dumped is None else "(empty)"
    if isinstance(dumped, bool):
        return str(dumped).lower()
    if isinstance(dumped, list):
        return os.pathsep.join(map(str, dumped))
    return format(dumped, "g") if isinstance(dumped, float) else str(dumped)


@cache
def read_docstrings(model: type[object]) -> dict[str, str]:
    """Return the docstring below each field of a top-level class, as one line.

    Pydantic's ``use_attribute_docstrings`` does the same when the class is created, which would
    add about 20 ms to every start of every process.
    """
    definition = ast.parse(inspect.getsource(model)).body[0]
    statements = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        ast.unparse(field.target): " ".join(str(text.value.value).split())
        for field, text in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
