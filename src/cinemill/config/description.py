"""How a setting is shown: its row in ``cinemill config``, with secrets masked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic.fields import FieldInfo

from cinemill.config import parsers
from cinemill.config.fields import SettingInfo


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``cinemill config``; nothing in it is secret."""

    name: str
    """As in the environment."""
    value_masked: str
    source: str
    """``environment``, the settings file's path, ``default`` or ``derived from NAME``."""
    meaning: str


def info_of(field: FieldInfo) -> SettingInfo:
    extra: Any = field.json_schema_extra
    return cast("SettingInfo", extra["info"])


def format_value(value: object, info: SettingInfo) -> str:
    """Return ``value`` as text for display, with secrets masked."""
    if value is None or value == "":
        return "unset" if value is None else "(empty)"
    if info.show != "plain":
        return _FORMATTERS[info.show](value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return os.pathsep.join(str(item) for item in value)
    return format(value, "g") if isinstance(value, float) else str(value)


_FORMATTERS: Mapping[str, Callable[[Any], str]] = {
    "masked": lambda _: parsers.MASK,
    "masked_url": parsers.mask_url,
    "bytes": parsers.show_bytes,
}
