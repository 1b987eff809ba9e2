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
