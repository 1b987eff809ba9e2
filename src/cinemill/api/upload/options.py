"""What a form asks for beside its film, checked before the film is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cinemill.api.http.bodies import read_json
from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.catalog import CATALOG
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY
from cinemill.errors import InputRejected

DEFAULT_KIND = "process_video"
_ANY_ASSET = "-"

Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The optional fields, checked."""

    kind: str
    priority: int | None
    params: dict[str, Any]
    idempotency_key: str | None


def parse_options(fields: dict[str, str], idempotency_key: str | None) -> UploadOptions:
    """Raises ParametersInvalid; InputRejected where the kind of job cannot take these parameters.

    Fields that this door does not know are none of its business.
    """
    problems: Problems = []
    priority = _read_priority(fields.get("priority", ""), problems)
    params = _read_params(fields.get("params", ""), problems)
    seconds = _read_seconds(fields.get("thumbnail_seconds", ""), problems)
    if problems:
        raise ParametersInvalid(problems)
    if seconds is not None:
        params["thumbnail_seconds"] = seconds
    kind = fields.get("kind", "").strip() or DEFAULT_KIND
    # Planned for nothing, so that whoever sends the fields first need not send the film for it.
    CATALOG.plan(kind, params, _ANY_ASSET)
    if "path" in params:
        raise InputRejected("An uploaded film has no path.", code="params_invalid")
    return UploadOptions(kind, priority, params, idempotency_key)


def _read_priority(text: str, problems: Problems) -> int | None:
    if not text.strip():
        return None
    if text.strip().isdecimal() and LOWEST_PRIORITY <= int(text) <= HIGHEST_PRIORITY:
        return int(text)
    problems.append(("priority", f"must be {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}, 10 first"))
    return None


def _read_params(text: str, problems: Problems) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        params = read_json(text.encode())
    except ValueError:
        params = None
    if isinstance(params, dict):
        return params
    problems.append(("params", "must be a JSON object, such as {}"))
    return {}


def _read_seconds(text: str, problems: Problems) -> float | None:
    if not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    problems.append(("thumbnail_seconds", "must be a number of seconds, 0 or more"))
    return None
