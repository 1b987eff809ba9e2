"""Warnings about what lasts: told when it begins and now and then, not each time it is met."""

from __future__ import annotations

import time
from typing import Any

from cinemill.telemetry import get_logger

INTERVAL_SECONDS = 30.0


class ThrottledLog:
    """Warnings of one module; each text at most every 30 s, with how often it was left out."""

    def __init__(self, name: str, *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._log = get_logger(name)
        self._interval_seconds = interval_seconds
        self._told_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, text: str, **facts: Any) -> None:
        """``text`` is a constant of the program: it is what warnings are told apart by."""
        now = time.monotonic()
        if now - self._told_at.get(text, -self._interval_seconds) < self._interval_seconds:
            self._left_out[text] = self._left_out.get(text, 0) + 1
            return
        self._told_at[text] = now
        left_out = self._left_out.pop(text, 0)
        self._log.warning(text, **facts, **({"left_out": left_out} if left_out else {}))
