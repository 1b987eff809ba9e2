"""Limits on what a command may use before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass

GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one source and for one command that processes it. The defaults suit a laptop."""

    max_pixels: int = 35_389_440
    """Width times height of a frame: 8192 x 4320."""
    max_duration_seconds: float = 43_200
    max_streams: int = 32
    max_output_bytes: int = 64 * GIBIBYTE
    """All files of one command together, and each file by itself."""
    memory_bytes: int = 3 * GIBIBYTE
    """Private writable memory (RLIMIT_DATA): what a decompression bomb would use, not mapped
    libraries."""
    cpu_seconds: int = 24 * 3600
    wall_seconds: float = 24 * 3600
    stall_seconds: float = 120
    """Longest time without a sign of progress."""
