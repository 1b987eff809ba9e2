"""Limits on what a command may use before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass

GIBIBYTE = 1024**3
LARGEST_COMMAND_BYTES = 3 * GIBIBYTE
SMALLEST_COMMAND_BYTES = GIBIBYTE // 2
"""Below that, not even a video of 1080 lines is encoded."""


_COMMANDS_SHARE = (3, 4)
"""Of the memory: the rest is for the workers themselves, the servers and the page cache."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one source and for one command that processes it. The defaults suit a laptop."""

    max_pixels: int = 35_389_440
    """Width times height of a frame: 8192 x 4320."""
    max_duration_seconds: float = 43_200
    max_streams: int = 32
    max_output_bytes: int = 64 * GIBIBYTE
    """All files of one command together, and each file by itself."""
    memory_bytes: int = LARGEST_COMMAND_BYTES
    """Private writable memory (RLIMIT_DATA): what a decompression bomb would use, not mapped
    libraries."""
    cpu_seconds: int = 24 * 3600
    wall_seconds: float = 24 * 3600
    stall_seconds: float = 120
    """Longest time without a sign of progress."""


def choose_command_bytes(machine_bytes: int, slots: int) -> int:
    """Return how much memory one command may use where ``slots`` of them run at a time.

    512 MiB to 3 GiB: on a machine that is too small even for that, fewer slots are needed.
    """
    part, whole = _COMMANDS_SHARE
    share_bytes = machine_bytes * part // whole // max(1, slots)
    return max(SMALLEST_COMMAND_BYTES, min(LARGEST_COMMAND_BYTES, share_bytes))


def find_overload(machine_bytes: int, slots: int) -> str:
    """Return what to do where the commands of all slots need more memory than there is, or ''."""
    needed_bytes = slots * choose_command_bytes(machine_bytes, slots)
    if needed_bytes <= machine_bytes:
        return ""
    return (
        f"{slots} tasks at a time need {needed_bytes / GIBIBYTE:.1f} GiB at least: lower "
        f"CELERY_WORKER_CONCURRENCY, or allow more memory."
    )
