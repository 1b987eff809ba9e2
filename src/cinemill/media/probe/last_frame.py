"""The last frame of an open file, and how long it is shown: its last packets are read, no more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.core.timing import LastFrame, find_last_frame
from cinemill.media.probe.bounded_file import BoundedFile
from cinemill.media.probe.durations import track_end
from cinemill.media.probe.matroska import is_complete, is_intact
from cinemill.media.probe.mp4_boxes import BoxFacts

INDEXED_FORMATS = frozenset({SourceFormat.MP4, SourceFormat.MATROSKA})
"""Whose packets state when they are shown, and whose index leads to the last ones."""
TAIL_PACKETS = 40
"""Of an index with an entry for each frame: more than codecs reorder."""
MOST_PACKETS = 5000
"""Of one with key frames only."""
TAIL_BYTES = 64 * 1024**2


def read_last_seconds(
    path: Path, container_format: SourceFormat | MaterialFormat, boxes: BoxFacts, stream_index: int
) -> float:
    """Return how long the last frame of a file is shown; 0 where that is not known for certain.

    The file is opened anew, so whoever reads it elsewhere stays where they are.
    """
    if container_format not in INDEXED_FORMATS:
        return 0.0
    if container_format is SourceFormat.MATROSKA and not is_intact(path):
        return 0.0
    options = {"protocol_whitelist": "file", "format_whitelist": container_format.value}
    try:
        with (
            path.open("rb") as opened,
            av.open(
                file := BoundedFile(opened),
                format=container_format.value,
                options=options,
                metadata_errors="replace",
            ) as container,
        ):
            stream: Any = container.streams[stream_index]
            last = find_shown_last(container, stream, file, path, boxes)
            return float(last.length * stream.time_base) if last else 0.0
    except (av.FFmpegError, ValueError, OverflowError, IndexError):
        return 0.0


def find_shown_last(
    container: Any, stream: Any, file: BoundedFile, path: Path, boxes: BoxFacts
) -> LastFrame | None:
    """Return the last frame; None where the container does not lead there, or lacks its end."""
    is_matroska = container.format.name.startswith(SourceFormat.MATROSKA)
    if not is_matroska and not container.format.name.startswith(SourceFormat.MP4):
        return None
    if not is_complete(path) if is_matroska else boxes.is_cut_off:
        return None
    end = track_end(container, stream, boxes.shown_seconds.get(stream.id, 0.0))
    return read_last_frame(container, stream, file, stated_end=end)


def read_last_frame(
    container: Any, stream: Any, file: BoundedFile, *, stated_end: int | None
) -> LastFrame | None:
    """Return the last frame, in ticks from the container's zero; None if it is not found.

    ``stated_end`` is when the container says that the track ends. Leaves the container where it
    ends, and reads at most :data:`TAIL_BYTES`.
    """
    file.allow(TAIL_BYTES)
    try:
        expected = _seek_tail(container, stream)
        packets = list(itertools.islice(_read_packets(container, stream), MOST_PACKETS))
    except (av.FFmpegError, ValueError, OverflowError):
        return None
    if file.is_used_up or len(packets) == MOST_PACKETS or len(packets) < expected:
        return None  # longer than what may be read, or cut off
    shown = [frame for frame in packets if frame is not None]
    return find_last_frame(shown, stated_end=stated_end, usual_step=_usual_step(stream))


def read_frames(container: Any, stream: Any) -> tuple[list[int], int]:
    """Return when each frame of a file of our own is shown, in order, and when the last one ends.

    In ticks of the stream, whose packets are read from where the container is to its end.
    """
    frames = [frame for frame in _read_packets(container, stream) if frame is not None]
    end = track_end(container, stream)
    last = find_last_frame(frames, stated_end=end, usual_step=_usual_step(stream))
    return sorted(time for time, _ in frames), last.end if last else 0


def _usual_step(stream: Any) -> int:
    """Return the ticks of a frame at the stream's rate; 0 where it has none."""
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * stream.time_base))) if rate else 0


def _seek_tail(container: Any, stream: Any) -> int:
    """Go to the last packets; return how many there must be, 0 where that is unknown."""
    entries = stream.index_entries
    count = len(entries)
    if count and count >= stream.frames > 0:
        first = max(0, count - TAIL_PACKETS)
        container.seek(entries[first].timestamp, stream=stream, any_frame=True)
        return count - first
    end = stream.duration or int((container.duration or 0) / av.time_base / stream.time_base)
    container.seek((stream.start_time or 0) + end, stream=stream)
    return 0


def _read_packets(container: Any, stream: Any) -> Iterator[tuple[int, int] | None]:
    """Yield the time and the duration of each packet up to the end, None if it is not shown."""
    for packet in container.demux(stream):
        if packet.pts is not None and not packet.is_discard:
            yield packet.pts, max(0, packet.duration or 0)
        elif packet.size:
            yield None
