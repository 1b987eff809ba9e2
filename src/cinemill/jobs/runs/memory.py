"""How much memory this process and what it started take, and took at most."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of ``ru_maxrss`` (getrusage 2)."""
_FORGET_PEAK = "5"
"""To /proc/self/clear_refs (proc 5)."""


def measure_tree_bytes() -> int:
    """Resident bytes of this process and all its descendants."""
    total = 0
    process = psutil.Process(os.getpid())
    with suppress(psutil.Error):
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                total += child.memory_info().rss
    return total


def reset_peak_rss() -> None:
    """Have :func:`peak_rss` count from now on; where that cannot be, from the start."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK, "ascii")


def peak_rss() -> int:
    """Return the largest resident bytes of this process alone."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES
