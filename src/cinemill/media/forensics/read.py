"""Examining a stored video's encoding, bounded in memory, time and size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cinemill.core.media import MediaInfo, SourceFormat
from cinemill.core.origin.forensics import ForensicsReport, ForensicsState
from cinemill.media.ffmpeg.python_child import (
    ChildCrashed,
    ChildLimits,
    ChildTimedOut,
    run_python_child,
)
from cinemill.media.ffmpeg.sandbox import Sandbox

FORENSICS_VERSION = 1
"""Increase it when the same file would give other findings."""
MEMORY_BYTES = 1024**3
READING_CPU_SECONDS = 60
"""After which the rest of the packets is left out and the report says so."""
CPU_SECONDS = 2 * READING_CPU_SECONDS
WALL_SECONDS = 600.0
MAX_ANSWER_BYTES = 1024**2
_MODULE = "cinemill.media.forensics.child"


def examine_encoding(
    path: Path,
    info: MediaInfo,
    *,
    sandbox: Sandbox,
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> ForensicsReport:
    """Return what the encoding of the original file at ``path`` shows; never an error of the file.

    Raises what ``should_stop`` returns, and CommandFailed if the reader itself cannot start.
    """
    if not info.is_film or not isinstance(info.format, SourceFormat):
        return ForensicsReport(ForensicsState.UNSUPPORTED, "The file is not a video.")
    source = path.absolute()
    request = {
        "path": str(source),
        "format": info.format.value,
        "stream_index": info.video.index,
        "cpu_seconds": READING_CPU_SECONDS,
    }
    try:
        return run_python_child(
            _MODULE,
            request,
            read=lambda answer: ForensicsReport.from_json(answer["report"]),
            limits=ChildLimits(MEMORY_BYTES, CPU_SECONDS, WALL_SECONDS, MAX_ANSWER_BYTES),
            sandbox=sandbox,
            readable=[source],
            should_stop=should_stop,
        )
    except ChildTimedOut:
        reason = f"Examining it took more than {WALL_SECONDS:g} s and was stopped."
    except ChildCrashed:
        reason = "The file crashed the reader, or made it exceed its limits."
    return ForensicsReport(ForensicsState.FAILED, reason)
