"""What FFmpeg calls the containers that are written, and how each is written."""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.core.encoding.rendition import Container

MUXERS: Mapping[Container, tuple[str, ...]] = {
    Container.MP4: ("-movflags", "+faststart", "-f", "mp4"),
    Container.WEBM: ("-f", "webm"),
    Container.MKV: ("-f", "matroska"),
}
DEMUXERS: Mapping[str, str] = {
    "mp4": "mov",
    "m4a": "mov",
    "webm": "matroska",
    "mkv": "matroska",
    "mka": "matroska",
    "jpg": "jpeg_pipe",
    "flac": "flac",
}
"""By the extension of a name, which of a film's is the value of its :class:`Container`."""


def find_demuxer(filename: str) -> str:
    """Return what reads a file that was written, by its extension."""
    return DEMUXERS[filename.rpartition(".")[2]]
