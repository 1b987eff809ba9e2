"""The arguments of a task call, as parameters of a kind of job."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from uuid import UUID

from cinemill.core.documents import DEEPEST, JsonObject
from cinemill.core.files.asset_ids import read_asset_id
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import JobKind

VIDEO_NAMES = ("path", "asset", "video_id", "video_path")
"""What scripts call the video. A kind of job calls it ``path``, or else ``asset``."""


def bind_arguments(kind: JobKind[Any], args: Sequence[Any], kwargs: JsonObject) -> dict[str, Any]:
    """Return the arguments of a call by parameter name. Raises InputRejected.

    A video may be given by its path or by the id of its asset, whatever the argument is called.
    """
    if len(args) > len(kind.positional):
        raise InputRejected(
            f"{kind.name} takes {len(kind.positional)} arguments by position, got {len(args)}.",
            code="arguments_invalid",
        )
    named = dict(zip(kind.positional, args, strict=False))
    twice = named.keys() & kwargs.keys()
    if twice:
        raise InputRejected(
            f"{kind.name} got {', '.join(sorted(twice))} twice.", code="arguments_invalid"
        )
    given: dict[str, Any] = write_plainly({**named, **kwargs})
    return _name_video(kind, _spread_filters(kind, given))


def write_plainly(value: Any) -> Any:
    """Return arguments with the paths and UUIDs in them as text, which is what JSON has."""
    return _write_plainly(value, 0, {})


def _write_plainly(value: Any, depth: int, known: dict[int, Any]) -> Any:
    if isinstance(value, PurePath):
        return os.fspath(value)
    if isinstance(value, UUID):
        return str(value)
    # What is deeper is refused later. A list that is there many times is written once.
    if not isinstance(value, dict | list | tuple) or depth > DEEPEST:
        return value
    if id(value) not in known:
        known[id(value)] = (
            {name: _write_plainly(one, depth + 1, known) for name, one in value.items()}
            if isinstance(value, dict)
            else [_write_plainly(one, depth + 1, known) for one in value]
        )
    return known[id(value)]


def _spread_filters(kind: JobKind[Any], params: JsonObject) -> JsonObject:
    """Return parameters in which ``filters`` of a search are the parameters that they name."""
    fields = kind.parameters.model_fields
    if "filters" in fields or "asset_ids" not in fields or "filters" not in params:
        return params
    rest = {name: value for name, value in params.items() if name != "filters"}
    filters = params["filters"]
    if filters is None:
        return rest
    if isinstance(filters, str) and "conversation_id" in fields and "conversation_id" not in rest:
        # Where filters may stand by position, a text is the conversation: they are left out.
        return {**rest, "conversation_id": filters}
    if not isinstance(filters, Mapping):
        raise InputRejected(
            f"'filters' of {kind.name} must be an object.",
            code="arguments_invalid",
            hint="Such as {'asset_ids': [...], 'collections': [...]}.",
        )
    return {**filters, **rest}


def _name_video(kind: JobKind[Any], given: JsonObject) -> dict[str, Any]:
    """Return parameters in which the video has the name that this kind of job has for it."""
    params: dict[str, Any] = dict(given)
    fields = kind.parameters.model_fields
    own = next((name for name in ("path", "asset") if name in fields), None)
    if own is None:
        return params
    for name in VIDEO_NAMES:
        if name in params and name not in fields and own not in params:
            params[own] = params.pop(name)
    found = read_asset_id(params.get(own))
    if found is not None and own == "path" and params.get("asset_id") is None:
        params["asset_id"] = found
        del params["path"]
    elif found is not None and own == "asset":
        params["asset"] = found
    return params
