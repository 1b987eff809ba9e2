"""Where settings come from: pydantic-settings' sources for the environment, TOML and JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import (
    EnvSettingsSource,
    InitSettingsSource,
    JsonConfigSettingsSource,
    TomlConfigSettingsSource,
)

from cinemill.config.celery_names import CELERY_NAMES
from cinemill.config.fields import default_home
from cinemill.config.model import Settings, public_names
from cinemill.config.parsers import expand_user

Problem = tuple[str, str]
"""The public name of a setting, and a sentence."""

MEANINGFUL_WHEN_EMPTY = frozenset({"CUDA_VISIBLE_DEVICES"})
"""Any other setting is unset by an empty value, as Compose files write it."""
NAMES_IN_HOME = ("settings.toml", "settings.json")
_OF_LINKS = re.compile(
    r"CINEMILL_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)"
    r"|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO|START|END))?|NAME|ENV_\w+)"
)
FOREIGN_NAMES: Mapping[str, str] = {"PORT": "CINEMILL_PORT"}
"""Names that count where the setting's own is not set: platforms choose the port by ``PORT``."""
FOREIGN_GROUPS: Mapping[str, str] = {"celery_config": "celery"}
"""What other applications' settings files call a group."""


def environment_source(environ: Mapping[str, str]) -> EnvSettingsSource:
    """Return the source that reads the public names in ``environ``, which may be any mapping."""
    source = EnvSettingsSource(Settings)
    source.env_vars = {
        name: environ[name]
        for name in public_names()
        if name in environ
        and (environ[name].strip() or name in MEANINGFUL_WHEN_EMPTY)
        and not is_of_others(name, environ[name])
    }
    return source


def is_of_others(name: str, value: str) -> bool:
    """Check whether somebody else has set a variable whose name begins as ours do.

    Kubernetes and Docker describe a service or container called "cinemill" to its neighbours, and
    to itself: CINEMILL_SERVICE_HOST, CINEMILL_PORT_8420_TCP_ADDR, CINEMILL_PORT=tcp://10.0.0.1:8420.
    """
    if _OF_LINKS.fullmatch(name):
        return True
    return name.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://"))


def read_foreign_names(environ: Mapping[str, str]) -> dict[str, str]:
    """Return settings that are given under a name that other applications use."""
    return {
        setting: environ[name]
        for name, setting in FOREIGN_NAMES.items()
        if environ.get(name, "").strip()
    }


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
        self.warnings: list[str] = []
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
        ignored: dict[str, None] = {}
        for key, value in _flatten(document, ""):
            name = _name_setting(key)
            if name not in names and (celerys := _find_celery_setting(key)):
                ignored[celerys] = None
            elif name not in names:
                problem = f"there is no such setting{did_you_mean(name, names)}"
                self.problems.append((f"{key} in {path}", problem))
            elif name in found:
                self.problems.append((f"{key} in {path}", f"is a second value for {name}"))
            elif value is not None:
                found[name] = _as_in_environment(value)
        self.warnings += [
            f"{key} in {path} is ignored: Cinemill chooses it itself." for key in ignored
        ]
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


def _name_setting(key: str) -> str:
    """Return a setting's public name: ``celery_config.worker_pool`` is CELERY_WORKER_POOL."""
    group, dot, rest = key.partition(".")
    name = f"{FOREIGN_GROUPS.get(group.lower(), group)}{dot}{rest}".replace(".", "_").upper()
    return FOREIGN_NAMES.get(name, name)


def _find_celery_setting(key: str) -> str | None:
    """Return the key of the setting of Celery that a value belongs to; None if it is no such.

    A value of a setting that holds a group, such as ``task_routes``, has a longer key.
    """
    group, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    if FOREIGN_GROUPS.get(group.lower(), group.lower()) != "celery":
        return None
    return f"{group}.{name}" if name.lower() in CELERY_NAMES else None


def _as_in_environment(value: object) -> str | list[str]:
    """Return text, or a list of it, so that pydantic does not take ``true`` for the number 1."""
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """Return `` (did you mean …?)`` for a near miss, else an empty text."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f" (did you mean {close[0]}?)" if close else ""
