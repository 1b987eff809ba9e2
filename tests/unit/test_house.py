"""The sizes that keep the package readable, and imports that no contract could see."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import cinemill

PACKAGE = Path(cinemill.__file__).parent
MOST_MODULES = 15
LONGEST_FUNCTION_LINES = 60
LONGEST_FILE_LINES = 400
# These make a folder a package and run it; nobody looks for a subject there.
NOT_COUNTED = {"__init__.py", "__main__.py"}
# It grows by a file for each change of the schema, and nobody looks for a subject in it.
HISTORY = "storage/migrations/versions"


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """Every module's text by its path within the package."""
    found = {
        path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
    }
    assert "errors.py" in found
    return found


def list_long_functions(source: str, most_lines: int) -> list[str]:
    """Names of functions longer than ``most_lines``, decorators included."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - first_line(node) + 1 > most_lines
    ]


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def list_hidden_imports(source: str) -> Iterator[str]:
    """Modules of ours, or computed ones, that a call imports by name."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or called_name(node) not in {
            "import_module",
            "__import__",
        }:
            continue
        match node.args:
            case [ast.Constant(value=str(name)), *_] if not name.startswith((".", "cinemill")):
                continue
        yield ast.unparse(node)


def called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def test_folders_have_few_modules(sources: dict[str, str]) -> None:
    modules = [Path(name) for name in sources if Path(name).name not in NOT_COUNTED]
    counts = Counter(path.parent.as_posix() for path in modules)
    assert counts.pop(HISTORY)
    assert {folder: n for folder, n in counts.items() if n > MOST_MODULES} == {}


def test_source_files_are_short(sources: dict[str, str]) -> None:
    lengths = {name: len(source.splitlines()) for name, source in sources.items()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE_LINES} == {}


def test_functions_are_short(sources: dict[str, str]) -> None:
    long = {
        name: functions
        for name, source in sources.items()
        if (functions := list_long_functions(source, LONGEST_FUNCTION_LINES))
    }
    assert long == {}


def test_no_module_of_ours_is_imported_by_a_call(sources: dict[str, str]) -> None:
    hidden = {
        name: calls for name, source in sources.items() if (calls := [*list_hidden_imports(source)])
    }
    assert hidden == {}


def test_long_function_is_found_with_its_decorators() -> None:
    source = "@one\n@two\ndef long():\n    a = 1\n    return a\n\nasync def short():\n    pass\n"
    assert list_long_functions(source, 4) == ["long"]
    assert list_long_functions(source, 5) == []


@pytest.mark.parametrize(
    ("call", "is_hidden"),
    [
        ('import_module("cinemill.worker.handlers")', True),
        ('importlib.import_module(".handlers", __package__)', True),
        ('__import__("cinemill.catalog")', True),
        ("import_module(name)", True),
        ('import_module("torch")', False),
        ('find_module("cinemill")', False),
    ],
)
def test_hidden_import_is_found(call: str, is_hidden: bool) -> None:
    assert bool([*list_hidden_imports(call)]) is is_hidden
