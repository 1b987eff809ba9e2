"""Packets of MP4s written by our own FFmpeg, read without examining their content.

FFmpeg reads, parses and decodes a little of whatever it opens, to guess what the container already
states. That takes 3 ms for a 360p chunk, of which 0.2 ms remain here. Besides, the packets may be
copied from an untrusted file: then only the sandboxed FFmpeg may parse them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av

_CONTAINER = {
    "probesize": "32",
    "analyzeduration": "1",
    "fpsprobesize": "0",
    "fflags": "noparse+nofillin",
}
_STREAM = {"threads": "1", "skip_frame": "all"}


PacketError = (OSError, av.FFmpegError, IndexError)
"""Raised by reading or writing packets if a file is broken, or has no such stream."""


def open_mp4(source: Path | BinaryIO) -> Any:
    """Open an MP4 written by our own FFmpeg, with all that PyAV finds out about it.

    Raises av.FFmpegError.
    """
    return av.open(source if not isinstance(source, Path) else str(source), format="mov")


def create_mp4(path: Path, options: dict[str, str]) -> Any:
    """Open an MP4 for writing, with FFmpeg's muxer options. Raises av.FFmpegError."""
    return av.open(str(path), "w", format="mp4", options=options)


def open_film(path: Path) -> Any:
    """Open an MP4 with one video stream. Raises av.FFmpegError.

    Properties that the container does not state (pixel format, duration of the last frame) are
    unknown.
    """
    # A new list each time, because PyAV keeps it. Its type annotations claim strings.
    streams: Any = [dict(_STREAM)]
    return av.open(
        str(path), format="mov", container_options=dict(_CONTAINER), stream_options=streams
    )


def read_packets(container: Any) -> Iterator[Any]:
    """Yield the video's packets in the order in which they are stored."""
    for packet in container.demux(container.streams.video[0]):
        if packet.pts is not None:
            yield packet
