"""Where settings come from: pydantic-settings' sources for the environment, TOML and JSON."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import (
    EnvSettingsSource,
    InitSettingsSource,
    JsonConfigSettingsSource,
    TomlConfigSettingsSource,
)

from cinemill.config.fields import default_home
from cinemill.config.model import Settings, public_names
from cinemill.config.parsers import expand_user

Problem = tuple[str, str]
"""The public name of a setting, and a sentence."""

MEANINGFUL_WHEN_EMPTY = frozenset({"CUDA_VISIBLE_DEVICES"})
"""Any other setting is unset by an empty value, as Compose files write it."""
NAMES_IN_HOME = ("settings.toml", "settings.json")


def environment_source(environ: Mapping[str, str]) -> EnvSettingsSource:
    """Return the source that reads the public names in ``environ``, which may be any mapping."""
    source = EnvSettingsSource(Settings)
    source.env_vars = {
        name: environ[name]
        for name in public_names()
        if name in environ and (environ[name].strip() or name in MEANINGFUL_WHEN_EMPTY)
    }
    return source


def find_settings_file(given: Mapping[str, Any]) -> tuple[Path | None, list[Problem]]:
    """Return the file that ``given`` names, else the one in the home folder.

    Two files in the home folder are a problem.
    """
    if named := given.get("CINEMILL_SETTINGS_FILE"):
        path = expand_user(Path(named)).absolute()
        try:
            return (path if path.is_file() else None), []  # The setting's own check reports it.
        except OSError:
            return None, []
    home = expand_user(Path(given.get("CINEMILL_HOME") or default_home())).absolute()
    try:
        found = [home / name for name in NAMES_IN_HOME if (home / name).is_file()]
    except OSError as error:
        return None, [(str(home), f"cannot be read: {error.strerror or error}")]
    if len(found) > 1:
        return None, [(str(home), "holds both settings.toml and settings.json; keep one of them")]
    return (found[0] if found else None), []


class SettingsFileSource(InitSettingsSource):
    """Supply the values of the settings file, and collect what is wrong with the file.

    ``celery.broker_url``, ``[celery] broker_url = …`` and ``CELERY_BROKER_URL = …`` are the same,
    which the library's own nesting cannot express: it needs a nested model for every group.
    """

    def __init__(self, path: Path | None) -> None:
        self.problems: list[Problem] = []
        document = {} if path is None else self._read(path)
        super().__init__(Settings, self._collect(path, document))

    def _read(self, path: Path) -> dict[str, Any]:
        if path.suffix not in _READERS:
            self.problems.append((str(path), "the name must end in .toml or .json"))
            return {}
        try:
            return _READERS[path.suffix](path)
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
        except TypeError as error:
            problem = str(error)
        except RecursionError:
            problem = "is nested too deeply"
        except ValueError as error:
            problem = f"is not {path.suffix.lstrip('.').upper()}: {error}"
        self.problems.append((str(path), problem))
        return {}

    def _collect(self, path: Path | None, document: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        names = public_names().keys() - {"CINEMILL_SETTINGS_FILE"}
        for key, value in _flatten(document, ""):
            name = key.replace(".", "_").upper()
            if name not in names:
                problem = f"there is no such setting{did_you_mean(name, names)}"
                self.problems.append((f"{key} in {path}", problem))
            elif name in found:
                self.problems.append((f"{key} in {path}", f"is a second value for {name}"))
            elif value is not None:
                found[name] = _as_in_environment(value)
        return found


class _JsonFile(JsonConfigSettingsSource):
    def _read_file(self, file_path: Any) -> dict[str, Any]:
        # The library would take an empty list for no settings.
        document: object = super()._read_file(file_path)
        if not isinstance(document, dict):
            raise TypeError("must hold settings by name, not a single value or a list")
        return document


_READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".toml": lambda path: TomlConfigSettingsSource(Settings, path).toml_data,
    ".json": lambda path: _JsonFile(Settings, path).json_data,
}


def _flatten(group: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_in_environment(value: object) -> str | list[str]:
    """Return text, or a list of it, so that pydantic does not take ``true`` for the number 1."""
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """Return `` (did you mean …?)`` for a near miss, else an empty text."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f" (did you mean {close[0]}?)" if close else ""
