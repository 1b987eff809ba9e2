"""Log lines about lasting errors: written when one begins and then occasionally, not each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from cinemill.telemetry import get_logger

INTERVAL_SECONDS = 30.0


class ThrottledLog:
    """Log lines of one module; each at most every 30 s, with the number of lines left out."""

    def __init__(self, name: str, *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._log = get_logger(name)
        self._interval_seconds = interval_seconds
        self._logged_at: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def warning(self, text: str, *, about: str = "", **facts: Any) -> None:
        """Log at level WARNING.

        Lines count as equal if their ``text`` and ``about`` are, both constants of the program.
        """
        self._write(self._log.warning, text, about, facts)

    def error(self, text: str, *, about: str = "", **facts: Any) -> None:
        """Log at level ERROR, otherwise like ``warning``."""
        self._write(self._log.error, text, about, facts)

    def _write(
        self, write: Callable[..., object], text: str, about: str, facts: Mapping[str, object]
    ) -> None:
        key, now = (text, about), time.monotonic()
        if key in self._logged_at and now - self._logged_at[key] < self._interval_seconds:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        self._logged_at[key] = now
        left_out = self._left_out.pop(key, 0)
        write(text, **facts, **({"left_out": left_out} if left_out else {}))
