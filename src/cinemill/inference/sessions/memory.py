"""How much memory opening a model takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def measure_opening(open_session: Callable[[], T]) -> tuple[T, int]:
    """Return what was opened and by how many bytes the process grew (RSS)."""
    process = psutil.Process()
    before = process.memory_info().rss
    session = open_session()
    return session, max(0, process.memory_info().rss - before)
