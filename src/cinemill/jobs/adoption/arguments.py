"""The arguments of a task call, as parameters of a kind of job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cinemill.core.documents import JsonObject
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import JobKind

SOURCE_NAMES = ("asset", "video_id", "video_path")
"""What scripts call the video where a kind of job takes a ``path`` or an asset."""


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
    return _name_source(kind, _spread_filters(kind, {**named, **kwargs}))


def _spread_filters(kind: JobKind[Any], params: JsonObject) -> JsonObject:
    """Return parameters in which ``filters`` of a search are the parameters that they name."""
    fields = kind.parameters.model_fields
    if "filters" in fields or "asset_ids" not in fields or "filters" not in params:
        return params
    rest = {name: value for name, value in params.items() if name != "filters"}
    filters = params["filters"]
    if filters is None:
        return rest
    if not isinstance(filters, Mapping):
        raise InputRejected(
            f"'filters' of {kind.name} must be an object.",
            code="arguments_invalid",
            hint="Such as {'asset_ids': [...], 'collections': [...]}.",
        )
    return {**filters, **rest}


def _name_source(kind: JobKind[Any], given: JsonObject) -> dict[str, Any]:
    params: dict[str, Any] = dict(given)
    fields = kind.parameters.model_fields
    if "path" not in fields:
        return params
    for name in SOURCE_NAMES:
        if name in params and name not in fields and "path" not in params:
            params["path"] = params.pop(name)
    if is_id(params.get("path")) and params.get("asset_id") is None:
        params["asset_id"] = params.pop("path")
    return params


def is_id(value: object) -> bool:
    """Return whether a value is the id of an asset, and so no path."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
