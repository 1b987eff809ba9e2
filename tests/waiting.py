"""Waiting for other processes in tests. A plain module for every suite.

A test polls, so a quiet machine loses nothing by the long limit; a busy one needs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until ``condition`` holds. Raises AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(POLL_SECONDS)
