"""How a setting is displayed in ``cinemill config`` and in the reference."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of ``cinemill config``; it contains no secret."""

    name: str
    """The name of the environment variable."""
    value_masked: str
    source: str
    """``environment``, the settings file's path, ``default``, ``derived from NAME``, ``running
    instance``, or ``argument`` of a direct construction."""
    meaning: str


def format_value(dumped: object) -> str:
    """Return a value as text; ``dumped`` is from a JSON dump, where secrets are masked already."""
    if dumped is None or dumped == "":
        return "unset" if dumped is None else "(empty)"
    if isinstance(dumped, bool):
        return str(dumped).lower()
    if isinstance(dumped, list):
        return os.pathsep.join(map(str, dumped))
    return format(dumped, "g") if isinstance(dumped, float) else str(dumped)
