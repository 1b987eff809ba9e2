"""Loads the settings: from their sources to a checked model, or to every problem at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cinemill.config.checks import CONFLICT
from cinemill.config.fields import default_home
from cinemill.config.model import Settings, public_names
from cinemill.config.parsers import is_loopback
from cinemill.config.sources import (
    Problem,
    SettingsFileSource,
    did_you_mean,
    environment_source,
    find_settings_file,
)
from cinemill.errors import SettingsInvalid

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

OTHER_NAMES = frozenset({"CINEMILL_CA_FILE", "CINEMILL_SAMPLES", "CINEMILL_TOKEN", "CINEMILL_URL"})
"""Names of Cinemill that a tool or the client reads, rather than this package."""


def load(environ: Mapping[str, str] | None = None, settings_file: Path | None = None) -> Settings:
    """Return the effective settings. ``environ`` defaults to this process's environment.

    Raises SettingsInvalid with every problem of environment, file and combination at once.
    """
    environ = os.environ if environ is None else environ
    named = {} if settings_file is None else {"CINEMILL_SETTINGS_FILE": str(settings_file)}
    given = environment_source({**environ, **named})()
    if "CINEMILL_HOME" not in given and not default_home().is_absolute():
        # As in containers that run as a user who is in no list and has no HOME.
        raise SettingsInvalid(
            [("CINEMILL_HOME", "must be set, since this user has no home folder")]
        )
    path, problems = find_settings_file(given)
    file = SettingsFileSource(path)
    problems += file.problems
    if "CINEMILL_HOME" in file() and "CINEMILL_SETTINGS_FILE" not in given:
        problems.append(("CINEMILL_HOME", f"cannot move away from the folder that {path} lies in"))
    try:
        settings = Settings.model_validate({**file(), **given})
    except ValidationError as failure:
        raise SettingsInvalid([*problems, *_explain(failure)]) from None
    if problems:
        raise SettingsInvalid(problems)
    settings._sources = dict.fromkeys(file(), str(path)) | dict.fromkeys(given, "environment")
    settings._warnings = (*_find_warnings(settings), *_find_unknown(environ))
    return settings


def _explain(failure: ValidationError) -> Iterator[Problem]:
    """Yield all errors except those of settings that could not be derived from an invalid one."""
    for detail in failure.errors(include_url=False):
        if detail["type"] != "default_factory_not_called":
            context = detail.get("ctx", {})
            yield context.get("name", str(detail["loc"][0])), _write_sentence(detail)


def _write_sentence(detail: ErrorDetails) -> str:
    context, message = detail.get("ctx", {}), detail["msg"]
    if isinstance(detail["input"], list):
        return "must be a single value, not a list"
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"must be {context['expected']}"
        case "path_not_file":
            return "there is no such file"
        case _ if detail["type"] == CONFLICT:
            return message
    _, is_rule, rule = message.partition(" should ")
    return f"must {rule.partition(', ')[0]}" if is_rule else message


def _find_warnings(settings: Settings) -> Iterator[str]:
    given = settings.model_fields_set
    if not settings.is_local_only:
        yield (
            f"CINEMILL_HOST {settings.host} is reachable from other machines over plain HTTP:"
            " put a TLS proxy in front, or the token is sent unencrypted."
        )
    if settings.auth == "off" and any(not is_loopback(one.host) for one in settings.public_urls):
        yield (
            "CINEMILL_AUTH is off: everybody who can open CINEMILL_PUBLIC_URL can upload, read"
            " and delete videos, unless the proxy asks for a sign-in."
        )
    if settings.qdrant_key is not None and settings.qdrant_url is None:
        yield "CINEMILL_QDRANT_KEY is ignored, because CINEMILL_QDRANT_URL is not set."
    elif settings.qdrant_key is not None and settings.is_qdrant_plain:
        yield "CINEMILL_QDRANT_KEY is sent unencrypted to another machine: use an https:// address."
    if {"redis_url", "redis_host"} <= given:
        yield "REDIS_HOST is ignored, because REDIS_URL is set."
    if {"celery_worker_concurrency", "celery_worker_autoscale"} <= given:
        yield "CELERY_WORKER_CONCURRENCY is ignored, because CELERY_WORKER_AUTOSCALE is set."
    if settings.stall_seconds >= settings.celery_task_soft_time_limit:
        yield (
            "CINEMILL_STALL_SECONDS is not below CELERY_TASK_SOFT_TIME_LIMIT: hangs are not"
            " detected early."
        )


def _find_unknown(environ: Mapping[str, str]) -> Iterator[str]:
    names = public_names()
    for name in sorted(environ):
        if name.startswith("CINEMILL_") and name not in names and name not in OTHER_NAMES:
            yield f"{name} is not a known setting and is ignored{did_you_mean(name, names)}."
