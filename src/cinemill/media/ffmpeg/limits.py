"""What a command may use up before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass

GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one source and for one command that works on it. The defaults suit a laptop."""

    max_pixels: int = 35_389_440
    """Width times height of a picture: 8192 x 4320."""
    max_duration_seconds: float = 43_200
    max_streams: int = 32
    max_output_bytes: int = 64 * GIBIBYTE
    """All files of one command together, and each by itself."""
    memory_bytes: int = 3 * GIBIBYTE
    """Private writable memory (RLIMIT_DATA): what a bomb would eat, not mapped libraries."""
    cpu_seconds: int = 24 * 3600
    wall_seconds: float = 24 * 3600
    stall_seconds: float = 120
    """Longest time without a sign of progress."""
