"""Parameters of functions say what they take: a dictionary of anything says nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import cinemill

SOURCE = Path(cinemill.__file__).parent
UNTYPED = ("dict[str, Any]", "Mapping[str, Any]")
MOST_UNTYPED = 25
"""Where a library hands over such a dictionary, and where a document is taken apart by hand.
Lower it when there are fewer; a new one wants a model, a dataclass or a TypedDict instead.
``JsonObject`` and ``OpenObject`` are not counted: they say that any JSON object is accepted."""


def list_untyped(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in list_untyped_parameters(function):
                    yield f"{path.relative_to(folder)}: {function.name}({name})"


def list_untyped_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    all_of = function.args
    for one in (*all_of.posonlyargs, *all_of.args, *all_of.kwonlyargs, all_of.vararg, all_of.kwarg):
        annotation = ast.unparse(one.annotation) if one and one.annotation else ""
        if one and any(untyped in annotation for untyped in UNTYPED):
            yield one.arg


def test_few_parameters_are_dictionaries_of_anything() -> None:
    found = list(list_untyped(SOURCE))
    assert len(found) <= MOST_UNTYPED, "\n".join(found)


def test_dictionary_of_anything_is_found_wherever_it_stands(tmp_path: Path) -> None:
    code = "def f(a: int, b: dict[str, Any], *, c: list[Mapping[str, Any]] | None): ..."
    (tmp_path / "module.py").write_text(code)
    assert list(list_untyped(tmp_path)) == ["module.py: f(b)", "module.py: f(c)"]
