"""Loads the settings: from their sources to a checked model, or to every problem at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cinemill.config.checks import CONFLICT
from cinemill.config.fields import default_home
from cinemill.config.model import Settings, public_names
from cinemill.config.parsers import is_loopback
from cinemill.config.sources import (
    FOREIGN_NAMES,
    Problem,
    SettingsFileSource,
    did_you_mean,
    environment_source,
    find_settings_file,
    is_of_others,
    read_foreign_names,
)
from cinemill.errors import SettingsInvalid

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

READ_BY_CLIENTS = ("CINEMILL_CA_FILE", "CINEMILL_TOKEN", "CINEMILL_URL")
OTHER_NAMES = frozenset(
    {
        *READ_BY_CLIENTS,
        "CINEMILL_PULSE_FILE",
        "CINEMILL_READY_FILE",
        "CINEMILL_REQUIRE_GPU",
        "CINEMILL_SAMPLES",
    }
)
"""Names of Cinemill that a tool, the client or a service reads, rather than this package."""
CAPABILITIES = "cinemill.capabilities"
"""The entry points of packages with capabilities."""

PREFIXES_OF_TOOLS = ("CINEMILL_TEST_", "CINEMILL_BENCH_")
"""Of names that the tests and benchmarks of this project read."""


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
    own = {**file(), **given}
    foreign = {
        name: value for name, value in read_foreign_names(environ).items() if name not in own
    }
    try:
        settings = Settings.model_validate({**foreign, **own})
    except ValidationError as failure:
        written = {setting: name for name, setting in FOREIGN_NAMES.items() if setting in foreign}
        explained = [(written.get(name, name), problem) for name, problem in _explain(failure)]
        raise SettingsInvalid([*problems, *explained]) from None
    if problems:
        raise SettingsInvalid(problems)
    settings._sources = dict.fromkeys(file(), str(path)) | dict.fromkeys(
        {**foreign, **given}, "environment"
    )
    found = (*_find_warnings(settings), *find_unknown(environ))
    settings._warnings = (*file.warnings, *found)
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


def find_unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that begins as our settings do, and that nobody reads."""
    names = public_names()
    ours = [*names, *READ_BY_CLIENTS]
    prefixes = (*PREFIXES_OF_TOOLS, *_list_prefixes_of_packages())
    for name in sorted(environ):
        if not name.startswith("CINEMILL_") or name in names or name in OTHER_NAMES:
            continue
        if not name.startswith(prefixes) and not is_of_others(name, environ[name]):
            yield f"{name} is not a known setting and is ignored{did_you_mean(name, ours)}."


def _list_prefixes_of_packages() -> Iterator[str]:
    """Yield what the names begin with that packages with capabilities may read."""
    for one in entry_points(group=CAPABILITIES):
        yield f"CINEMILL_{one.name.upper().replace('-', '_')}_"
