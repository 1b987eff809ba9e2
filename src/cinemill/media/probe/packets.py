"""Packets of the MP4s that our own FFmpeg wrote, read without a look at what is in them.

FFmpeg reads, parses and decodes a little of whatever it opens, to guess what the container tells
already. That takes 3 ms a chunk of 360p, of which 0.2 are left here; and what lies in the container
may be a stranger's, copied: then only FFmpeg within its walls may touch it.
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
"""What reading or writing packets raises where a file is broken, or has no such stream."""


def open_mp4(source: Path | BinaryIO) -> Any:
    """Open an MP4 that our own FFmpeg wrote, with all that PyAV finds out about it.

    Raises av.FFmpegError.
    """
    return av.open(source if not isinstance(source, Path) else str(source), format="mov")


def create_mp4(path: Path, options: dict[str, str]) -> Any:
    """Open an MP4 for writing, with FFmpeg's muxer options. Raises av.FFmpegError."""
    return av.open(str(path), "w", format="mp4", options=options)


def open_film(path: Path) -> Any:
    """An MP4 with one picture. Of what is not told (its pixels' format, how long the last picture
    stays) nothing is known. Raises av.FFmpegError."""
    # A new list each time: PyAV keeps it. Its types say that it holds words.
    streams: Any = [dict(_STREAM)]
    return av.open(
        str(path), format="mov", container_options=dict(_CONTAINER), stream_options=streams
    )


def read_packets(container: Any) -> Iterator[Any]:
    """The picture's packets in the order in which they are stored."""
    for packet in container.demux(container.streams.video[0]):
        if packet.pts is not None:
            yield packet
