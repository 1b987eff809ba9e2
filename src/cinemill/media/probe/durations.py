"""Durations, start and bitrate as a file's headers state them; all may be wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from cinemill.core.media import SourceFormat

MEASURED_PACKETS = 6_000_000
"""Twelve hours of the shortest packets that are usual, and some more."""


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
    tagged = max(_tagged_seconds(stream), default=Fraction(0))
    return _without_start(container, max(0.0, float(tagged)))


def track_end(container: Any, stream: Any, shown_seconds: float = 0.0) -> int | None:
    """Return when the container says that a track ends, in the stream's ticks; None if it doesn't.

    ``shown_seconds`` is what the header of an MP4's track states beyond that.
    """
    ends = [round(shown_seconds / stream.time_base)] if shown_seconds else []
    if stream.duration:
        ends.append((stream.start_time or 0) + stream.duration)
    elif container.format.name.startswith(SourceFormat.MATROSKA):
        ends += [round(seconds / stream.time_base) for seconds in _tagged_seconds(stream)]
    return max(ends, default=None)


def _tagged_seconds(stream: Any) -> list[Fraction]:
    """Return the tag with which Matroska states when a track ends, if there is one."""
    clock = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in clock)
        return [Fraction(hours * 3600 + minutes * 60 + seconds)]
    except (ValueError, OverflowError):
        return []


def start_seconds_of(stream: Any, frame: Any) -> float:
    """Return when the first frame is shown, on the container's own clock."""
    ticks = frame.pts if frame.pts is not None else stream.start_time
    return float((ticks or 0) * stream.time_base)


def bitrate_bps(container: Any, size_bytes: int, duration_seconds: float) -> int:
    """Return the container's bitrate, or the average over its size; 0 if neither is known."""
    if container.bit_rate:
        return int(container.bit_rate)
    return int(size_bytes * 8 / duration_seconds) if duration_seconds else 0


@dataclass(frozen=True, slots=True)
class Measured:
    """A stream by the durations of its packets."""

    seconds: float
    frames: int
    last_seconds: float
    """Of its last packet."""


def measure(container: Any, stream: Any) -> Measured:
    """Return how long a stream lasts, by the durations of its packets, from its beginning on."""
    container.seek(0)
    ticks = frames = last = 0
    for packet in itertools.islice(container.demux(stream), MEASURED_PACKETS):
        if packet.size:
            frames, last = frames + 1, packet.duration or 0
            ticks += last
    return Measured(float(ticks * stream.time_base), frames, float(last * stream.time_base))
