"""The settings file: TOML or JSON with the environment's names, grouped or flat."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

Problem = tuple[str, str]
LISTS = frozenset({"CINEMILL_INPUT_ROOTS"})
"""Settings that may be written as a list; the environment separates them as in PATH."""
NAMES_IN_HOME = ("settings.toml", "settings.json")


def find_settings_file(home: Path) -> tuple[Path | None, list[Problem]]:
    """The one that lies in the home folder, if any; two are a problem."""
    found = [home / name for name in NAMES_IN_HOME if (home / name).is_file()]
    if len(found) > 1:
        return None, [(str(home), "holds both settings.toml and settings.json; keep one of them")]
    return (found[0] if found else None), []


def read_settings_file(path: Path, names: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Outside name → value as the environment would write it, and what is wrong with the file.

    ``celery.broker_url``, ``[celery] broker_url = …`` and ``CELERY_BROKER_URL = …`` are the same.
    ``names`` are the outside names that exist.
    """
    try:
        document = _parse(path)
    except OSError as problem:
        return {}, [(str(path), f"cannot be read: {problem.strerror or problem}")]
    except ValueError as problem:
        return {}, [(str(path), f"is not {path.suffix.lstrip('.').upper()}: {problem}")]
    if not isinstance(document, dict):
        return {}, [(str(path), "must hold settings by name, not a single value or a list")]
    return _collect(path, document, names)


def _parse(path: Path) -> Any:
    if path.suffix not in (".toml", ".json"):
        raise ValueError("the name must end in .toml or .json")
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def _collect(
    path: Path, document: dict[str, Any], names: Collection[str]
) -> tuple[dict[str, str], list[Problem]]:
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for key, value in _flatten(document, ""):
        name = key.replace(".", "_").upper()
        where = f"{key} in {path}"
        if name not in names:
            problems.append((where, f"there is no such setting{did_you_mean(name, names)}"))
        elif name in found:
            problems.append((where, f"is a second value for {name}"))
        elif isinstance(value, list) and name not in LISTS:
            problems.append((where, "must be a single value, not a list"))
        elif value is not None:
            found[name] = _as_in_environment(value)
    return found, problems


def _flatten(group: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_in_environment(value: object) -> str:
    if isinstance(value, list):
        return os.pathsep.join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """`` (did you mean …?)`` for a near miss, else empty."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f" (did you mean {close[0]}?)" if close else ""
