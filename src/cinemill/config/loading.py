"""From the environment and a file to checked settings, or to every problem at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cinemill.config.checks import Problem, find_conflicts, find_warnings
from cinemill.config.fields import default_home
from cinemill.config.files import did_you_mean, find_settings_file, read_settings_file
from cinemill.config.model import Settings, setting_fields
from cinemill.config.parsers import expand_user
from cinemill.errors import SettingsInvalid

ENVIRONMENT = "environment"
MEANINGFUL_WHEN_EMPTY = frozenset({"CUDA_VISIBLE_DEVICES"})
"""Elsewhere an empty value means unset, as compose files write it."""
OTHER_NAMES = frozenset({"CINEMILL_SAMPLES", "CINEMILL_TOKEN", "CINEMILL_URL"})
"""Ours too, and read by a tool or by the client rather than here."""


def load(environ: Mapping[str, str] | None = None, settings_file: Path | None = None) -> Settings:
    """Settings in force. ``environ`` defaults to this process' environment.

    Raises:
        SettingsInvalid: with every problem of environment, file and combination at once.
    """
    environ = os.environ if environ is None else environ
    fields = {name: field for field, name, _, _ in setting_fields()}
    given = _from_environment(environ, fields)
    if settings_file is not None:
        given["CINEMILL_SETTINGS_FILE"] = str(settings_file)
    path, from_file, problems = _from_file(given, fields)
    values = {**from_file, **given}
    settings, more = _check({fields[name]: value for name, value in values.items()})
    if settings is None or problems or more:
        raise SettingsInvalid(problems + more)
    settings._sources = {
        fields[name]: ENVIRONMENT if name in given else str(path) for name in values
    }
    settings._warnings = tuple(_warn(settings, environ, fields))
    return settings


def _from_environment(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {
        name: environ[name]
        for name in names
        if name in environ and (environ[name].strip() or name in MEANINGFUL_WHEN_EMPTY)
    }


def _from_file(
    given: Mapping[str, str], names: Mapping[str, str]
) -> tuple[Path | None, dict[str, str], list[Problem]]:
    problems: list[Problem] = []
    named = given.get("CINEMILL_SETTINGS_FILE")
    if named:
        file = expand_user(Path(named)).absolute()
        path = file if file.is_file() else None  # A missing one is named by the field's own check.
    else:
        home = expand_user(Path(given.get("CINEMILL_HOME") or default_home())).absolute()
        path, problems = find_settings_file(home)
    if path is None:
        return None, {}, problems
    found, problems = read_settings_file(path, names.keys() - {"CINEMILL_SETTINGS_FILE"})
    if "CINEMILL_HOME" in found and not named:
        problems.append(("CINEMILL_HOME", f"cannot move away from the folder that {path} lies in"))
    return path, found, problems


def _check(values: dict[str, str]) -> tuple[Settings | None, list[Problem]]:
    """The settings, or all that is wrong: of each field by itself, then of fields together."""
    try:
        settings = Settings.model_validate(values)
    except ValidationError as failure:
        names = {name: field for field, name, _, _ in setting_fields()}
        problems = list(_sentences(failure))
        wrong = frozenset(names.get(name, name) for name, _ in problems)
        rest = {field: value for field, value in values.items() if field not in wrong}
        # What is right so far, so that combinations are judged in the same go.
        partly = Settings.model_validate(rest)
        return None, problems + find_conflicts(partly, unusable=wrong)
    return settings, find_conflicts(settings)


def _sentences(failure: ValidationError) -> Iterator[Problem]:
    names = {field: name for field, name, _, _ in setting_fields()}
    for detail in failure.errors(include_url=False, include_input=False):
        if detail["type"] == "default_factory_not_called":
            continue  # A derived setting whose parent is wrong: the parent is named already.
        key = str(detail["loc"][0])
        yield names.get(key, key), _sentence(detail["type"], detail["msg"], detail.get("ctx", {}))


def _sentence(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected']}"
    plain = message.removeprefix("Input ").removeprefix("should ")
    return f"must {plain.partition(', ')[0]}" if plain != message else message


def _warn(
    settings: Settings, environ: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[str]:
    yield from find_warnings(settings, given=frozenset(settings.model_fields_set))
    for name in sorted(environ):
        if name.startswith("CINEMILL_") and name not in names and name not in OTHER_NAMES:
            yield f"{name} is not a known setting and is ignored{did_you_mean(name, names)}."
