"""Checks of parameters that several kinds of job share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.errors import InputRejected

MAX_NUMBER = 10**9
"""Of seconds, days or gigabytes: JSON's whole numbers may be larger than any float."""


def read_count(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputRejected(
            f"{name} must be a whole number from 1 to {most}, not {value!r}.",
            code="params_invalid",
        )
    return value


def check_names(params: Mapping[str, Any], known: set[str]) -> None:
    """Raises InputRejected where a parameter is not ``known``: a misspelt wish is not a wish."""
    unknown = sorted(params.keys() - known)
    if unknown:
        raise InputRejected(
            f"There is no parameter {', '.join(unknown)} here.",
            code="params_invalid",
            way_on=f"Use some of: {', '.join(sorted(known))}.",
        )


def check_timestamp(params: Mapping[str, Any], name: str) -> None:
    """Raises InputRejected where the parameter is given and no moment of a film, in seconds."""
    moment = params.get(name)
    if moment is None:
        return
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or not 0 <= moment <= MAX_NUMBER:
        raise InputRejected(
            f"{name} must be a number of seconds from 0 to {MAX_NUMBER}.",
            code="timestamp_invalid",
        )


def read_flag(params: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Raises InputRejected where the parameter is given and neither true nor false."""
    value = params.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InputRejected(f"{name} must be true or false, not {value!r}.", code="params_invalid")
    return value
