"""How much memory opening a model takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def measure_opening(open_session: Callable[[], T], least_bytes: int) -> tuple[T, int]:
    """Return what was opened and by how many bytes the process grew (RSS).

    At least ``least_bytes``, the size of the weights: memory that was free before is used again,
    and the process does not grow by it.
    """
    process = psutil.Process()
    before = process.memory_info().rss
    session = open_session()
    return session, max(least_bytes, process.memory_info().rss - before)
