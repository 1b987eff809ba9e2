"""Matroska and WebM: what neither FFmpeg's libraries nor PyAV report of them.

That is whether a file has all the bytes that its segment states, whether its elements are intact,
and what is cut off its frames. EBML's elements after RFC 8794, sections 4 to 6; Matroska's after
RFC 9559, sections 5.1 and 5.1.4.1.28. Reads some bytes of the beginning, or the heads of the
largest elements, and trusts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cinemill.core.sizes import Crop

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_TRACKS = b"\x16\x54\xae\x6b"
_TRACK = b"\xae"
_VIDEO = b"\xe0"
_EDGES = {b"\x54\xcc": "left", b"\x54\xbb": "top", b"\x54\xdd": "right", b"\x54\xaa": "bottom"}
_HEAD_BYTES = 256 * 1024
"""Within which tracks are described, but for odd files."""
_MOST_ELEMENTS = 5000
_MOST_CLUSTERS = 100_000
_LONGEST_ELEMENT_HEAD = 12
"""An ID of at most four bytes, and a size of at most eight."""


def is_complete(path: Path) -> bool:
    """Return whether the segment states its size, and the file has that many bytes."""
    head = _read_head(path)
    segment_bytes, at = _find_segment(head)
    return segment_bytes is not None and at + segment_bytes <= path.stat().st_size


def is_intact(path: Path) -> bool:
    """Check that the segment is complete, and its elements follow each other up to its end.

    What overwrote some of them is no element: FFmpeg passes over it without a word.
    """
    size, at = _find_segment(_read_head(path))
    if size is None or not is_complete(path):
        return False
    end = at + size
    with path.open("rb") as file:
        for _ in range(_MOST_CLUSTERS):
            if at >= end:
                return at == end
            file.seek(at)
            head = file.read(_LONGEST_ELEMENT_HEAD)
            length = 9 - head[0].bit_length() if head else 0
            size, start = read_size(head, length)
            if not 1 <= length <= 4 or size is None:
                return False
            at += start + size
    return False


def read_crops(path: Path) -> list[Crop]:
    """Return what is cut off each video track, in the order of the file."""
    head = _read_head(path)
    _, at = _find_segment(head)
    found = []
    for tracks in _find(head[at:], _TRACKS):
        for track in _find(tracks, _TRACK):
            found += [_read_crop(video) for video in _find(track, _VIDEO)]
    return found


def _read_crop(video: bytes) -> Crop:
    edges = {
        _EDGES[kind]: int.from_bytes(body[:8]) for kind, body in _walk(video) if kind in _EDGES
    }
    return Crop(**edges)


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _find_segment(head: bytes) -> tuple[int | None, int]:
    """Return the segment's size, None if it is unknown, and where its content begins."""
    if not head.startswith(_EBML):
        return None, len(head)
    header_bytes, at = read_size(head, len(_EBML))
    at += header_bytes or 0
    if header_bytes is None or head[at : at + 4] != _SEGMENT:
        return None, len(head)
    return read_size(head, at + 4)


def _find(data: bytes, wanted: bytes) -> Iterator[bytes]:
    return (body for kind, body in _walk(data) if kind == wanted)


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the elements in ``data`` with their content, up to the first that is broken."""
    at = 0
    for _ in range(_MOST_ELEMENTS):
        length = 9 - data[at].bit_length() if at < len(data) else 0
        if not 1 <= length <= 4:
            return
        kind = data[at : at + length]
        size, start = read_size(data, at + length)
        if size is None:
            return
        at = start + size
        yield kind, data[start:at]


def read_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the size that is written at a place, None if it is unknown, and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    field = data[at : at + length]
    if not first or len(field) < length:
        return None, len(data)
    size = int.from_bytes(field) - (1 << 7 * length)
    return None if size == (1 << 7 * length) - 1 else size, at + length
