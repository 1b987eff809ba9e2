"""Durations, start and bitrate as a file's headers state them; all may be wrong."""

from __future__ import annotations

from typing import Any

import av

from cinemill.core.media import SourceFormat


def container_seconds(container: Any) -> float:
    """Return the duration that the container states, 0 where it states none."""
    return _without_start(container, max(0.0, (container.duration or 0) / av.time_base))


def _without_start(container: Any, seconds: float) -> float:
    """Return the duration counted from the start.

    Matroska states an end time on a clock that need not begin at zero.
    """
    start_seconds = max(0.0, (container.start_time or 0) / av.time_base)
    is_end = container.format.name.startswith(SourceFormat.MATROSKA) and seconds > start_seconds
    return seconds - start_seconds if is_end else seconds


def stream_seconds(container: Any, stream: Any) -> float:
    """Return what the stream's own header states, 0 if nothing; Matroska keeps it in a tag."""
    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    clock = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in clock)
    except ValueError:
        return 0.0
    return _without_start(container, max(0.0, hours * 3600 + minutes * 60 + seconds))


def start_seconds_of(stream: Any, frame: Any) -> float:
    """Return when the first frame is shown, on the container's own clock."""
    ticks = frame.pts if frame.pts is not None else stream.start_time
    return float((ticks or 0) * stream.time_base)


def bitrate_bps(container: Any, size_bytes: int, duration_seconds: float) -> int:
    """Return the container's bitrate, or the average over its size; 0 if neither is known."""
    if container.bit_rate:
        return int(container.bit_rate)
    return int(size_bytes * 8 / duration_seconds) if duration_seconds else 0
