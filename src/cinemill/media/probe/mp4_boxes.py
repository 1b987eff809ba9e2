"""ISO base media files (MP4, MOV): what PyAV does not report of them.

That is edits, a truncated end, how long each track is shown, and what is cut off its frames. Box
layout after ISO/IEC 14496-12, sections 4.2, 8.3, 8.5, 8.6 and 12.1. Reads headers only and trusts
nothing: sizes are checked against the file, depth and number of boxes are bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from cinemill.core.sizes import NO_CROP, Crop

MAX_BOXES = 20_000
MAX_DEPTH = 8
"""What we read lies at 3; FFmpeg gives up at 10."""
MAX_EDITS = 1000
ENCODER_DELAY_SECONDS = 0.5
"""A first edit that starts this early only hides the encoder's delay, which every encoder
writes."""
_CONTAINERS = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"})
MOST_ENTRY_BYTES = 64 * 1024
_ENTRY_BYTES = 8 + 8 + 78
"""Of the box's own fields, and of a sample entry of video before its boxes."""
_ENTRY_SIZE_AT = 8 + 8 + 24
_LARGE_SIZE = 1
_TO_THE_END = 0


@dataclass(slots=True)
class BoxFacts:
    """Facts from the boxes."""

    has_index: bool = False
    """There is a ``moov`` box; without one nothing can be found in the file."""
    is_cut_off: bool = False
    """A top-level box claims more bytes than the file has."""
    has_edit_list: bool = False
    """A track is not shown from its start to its end."""
    shown_seconds: dict[int, float] = field(default_factory=dict)
    """When each track ends that states it, from the movie's start; by the track's number."""
    crops: dict[int, Crop] = field(default_factory=dict)
    """What is cut off a track's frames, by the track's number."""


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class _Track:
    number: int = 0
    shown: int = 0
    """In ticks of the movie."""
    crop: Crop = NO_CROP
    timescale: int = 0
    duration: int = 0
    edits: tuple[tuple[int, int], ...] = ()
    """(duration in movie ticks, start in track ticks; -1 shows nothing)."""


def read_boxes(path: Path) -> BoxFacts:
    """Return facts about the file at ``path``; all are False if it is no MP4."""
    facts = BoxFacts()
    movie_timescale, movie_ticks = 0, 0
    tracks: list[_Track] = []
    with path.open("rb") as file:
        size = path.stat().st_size
        for box in _walk(file, size):
            if box.depth == 0:
                facts.is_cut_off |= box.end > size
                facts.has_index |= box.kind in (b"moov", b"moof")
            if box.kind == b"trak":
                tracks.append(_Track())
            elif box.kind == b"mvhd":
                movie_timescale, movie_ticks = _read_clock(file, box)
            elif box.kind == b"tkhd" and tracks:
                tracks[-1].number, tracks[-1].shown = _read_track(file, box)
            elif box.kind == b"mdhd" and tracks:
                tracks[-1].timescale, tracks[-1].duration = _read_clock(file, box)
            elif box.kind == b"elst" and tracks:
                tracks[-1].edits = _read_edits(file, box)
            elif box.kind == b"stsd" and tracks:
                tracks[-1].crop = _read_aperture(file, box)
    facts.has_edit_list = any(_is_edited(track, movie_timescale) for track in tracks)
    facts.crops = {track.number: track.crop for track in tracks if track.crop != NO_CROP}
    if movie_timescale:
        facts.shown_seconds = {
            track.number: track.shown / movie_timescale
            for track in tracks
            # Some programs write it in other ticks, and then the movie is shorter.
            if 0 < track.shown <= movie_ticks
        }
    return facts


def _walk(file: BinaryIO, end: int) -> Iterator[_Box]:
    """Yield boxes in the order of the file, the content of containers after their own.

    Open containers wait in a list: in the call stack, a file of boxes in boxes would exhaust it.
    """
    start, depth, budget = 0, 0, MAX_BOXES
    unread: list[tuple[int, int]] = []
    while budget > 0:
        budget -= 1
        box = _read_head(file, start, end, depth)
        if box is None:
            if not unread:
                return
            (start, end), depth = unread.pop(), depth - 1
            continue
        yield box
        if box.kind in _CONTAINERS and depth < MAX_DEPTH:
            unread.append((box.end, end))
            start, end, depth = box.start, min(box.end, end), depth + 1
        else:
            start = box.end


def _read_head(file: BinaryIO, start: int, end: int, depth: int) -> _Box | None:
    """Return the box that begins at ``start``, or None if there is none before ``end``."""
    if start + 8 > end:
        return None
    file.seek(start)
    header = file.read(16)
    if len(header) < 8:
        return None
    size, kind, body = int.from_bytes(header[:4]), header[4:8], start + 8
    if size == _LARGE_SIZE and len(header) == 16:
        size, body = int.from_bytes(header[8:16]), start + 16
    elif size == _TO_THE_END:
        size = end - start
    return None if size < body - start else _Box(kind, body, start + size, depth)


def _read_clock(file: BinaryIO, box: _Box) -> tuple[int, int]:
    """Return the timescale and duration of an ``mvhd`` or ``mdhd``."""
    file.seek(box.start)
    body = file.read(32)
    layout = ">20xIQ" if body[:1] == b"\x01" else ">12xII"
    if len(body) < struct.calcsize(layout):
        return 0, 0
    timescale, duration = struct.unpack_from(layout, body)
    return int(timescale), int(duration)


def _read_track(file: BinaryIO, box: _Box) -> tuple[int, int]:
    """Return the number of a ``tkhd``, and for how long its track is shown; 0 if it is unknown."""
    file.seek(box.start)
    body = file.read(36)
    is_long = body[:1] == b"\x01"
    layout = ">20xI4xQ" if is_long else ">12xI4xI"
    if len(body) < struct.calcsize(layout):
        return 0, 0
    number, shown = struct.unpack_from(layout, body)
    unknown = 2**64 - 1 if is_long else 2**32 - 1
    return int(number), 0 if shown == unknown else int(shown)


def _read_edits(file: BinaryIO, box: _Box) -> tuple[tuple[int, int], ...]:
    file.seek(box.start)
    head = file.read(8)
    if len(head) < 8:
        return ()
    layout = ">QqI" if head[:1] == b"\x01" else ">IiI"
    count = min(int.from_bytes(head[4:8]), MAX_EDITS)
    body = file.read(count * struct.calcsize(layout))
    whole = len(body) - len(body) % struct.calcsize(layout)
    return tuple((shown, at) for shown, at, _ in struct.iter_unpack(layout, body[:whole]))


def _read_aperture(file: BinaryIO, box: _Box) -> Crop:
    """Return what the clean aperture of a track's first sample entry cuts off (12.1.4)."""
    file.seek(box.start)
    entry = file.read(min(box.end - box.start, MOST_ENTRY_BYTES))
    at = _ENTRY_BYTES
    while entry[at + 4 : at + 8] not in (b"clap", b""):
        at += max(8, int.from_bytes(entry[at : at + 4]))
    if len(entry) < at + 40:
        return NO_CROP
    width, height = struct.unpack_from(">HH", entry, _ENTRY_SIZE_AT)
    numbers = struct.unpack_from(">8i", entry, at + 8)
    if any(below <= 0 for below in numbers[1::2]):
        return NO_CROP
    kept_width, kept_height, across, down = (
        Fraction(above, below) for above, below in zip(numbers[::2], numbers[1::2], strict=True)
    )
    left, right = _cut(width, kept_width, across)
    top, bottom = _cut(height, kept_height, down)
    return Crop(left, top, right, bottom)


def _cut(length: int, kept: Fraction, offset: Fraction) -> tuple[int, int]:
    """Return the pixels before and after what is kept, whose middle is ``offset`` off; 0 if odd."""
    before, after = (length - kept) / 2 + offset, (length - kept) / 2 - offset
    is_inside = kept > 0 and before >= 0 and after >= 0
    return (round(before), round(after)) if is_inside else (0, 0)


def _is_edited(track: _Track, movie_timescale: int) -> bool:
    if not track.edits or not track.timescale:
        return False
    if len(track.edits) > 1 or track.edits[0][1] < 0:
        return True
    shown, at = track.edits[0]
    skipped_seconds = at / track.timescale
    if skipped_seconds > ENCODER_DELAY_SECONDS:
        return True
    kept_seconds = track.duration / track.timescale - skipped_seconds
    return bool(movie_timescale and shown) and (
        kept_seconds - shown / movie_timescale > ENCODER_DELAY_SECONDS
    )
