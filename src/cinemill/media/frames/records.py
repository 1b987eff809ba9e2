"""Records that the decoding process writes: a kind, a length, and that many bytes."""

from __future__ import annotations

import json
import struct
from enum import Enum
from typing import Any, BinaryIO, TypedDict

RECORD_HEAD = struct.Struct("<cI")
FRAME_HEAD = struct.Struct("<qqII")
"""Timestamp, milliseconds, width and height; the pixels follow."""
MAX_PAYLOAD_BYTES = 4 * 35_389_440
"""Longer ones are refused: the process reads untrusted files, and may be taken over by one."""


class RecordKind(Enum):
    """What a record holds."""

    FRAME = b"F"
    TIMESTAMPS = b"T"
    """Timestamps of frames in display order, 64 bits each."""
    KEYS = b"K"
    """One byte for each timestamp: whether it is a key frame."""
    ALIVE = b"A"
    """Nothing but a sign of progress."""
    END = b"E"
    """A JSON document with facts, or with the reason why there is no more."""


class Request(TypedDict, total=False):
    """What the process is asked for: one JSON document."""

    what: str
    """``index``, ``frames`` (those of ``targets``) or ``all``."""
    path: str
    format: str
    limits: dict[str, Any]
    threads: int
    """Of a decoder that reads the whole video. In its sandbox it cannot count processors."""
    targets: list[tuple[int, int]]
    """Timestamp of each frame, and of the key frame before it."""
    first_pts: int
    has_packet_times: bool
    is_seekable: bool
    max_width: int
    max_pixels: int
    width: int
    height: int
    rate: str | None


class Facts(TypedDict, total=False):
    """What the last record says."""

    rejected: str
    """A code of ``media.rejections.REJECTION_CODES``: the file is to blame."""
    time_base: str
    last_duration: int
    packet_bytes: int
    has_packet_times: bool
    is_seekable: bool
    is_cut_off: bool
    missing: list[int]
    """Timestamps of frames that could not be decoded."""


def write_record(sink: BinaryIO, kind: RecordKind, *parts: Any) -> None:
    """Write one record of these bytes-like parts, and flush it."""
    views = [memoryview(part).cast("B") for part in parts]
    sink.write(RECORD_HEAD.pack(kind.value, sum(view.nbytes for view in views)))
    for view in views:
        sink.write(view)
    sink.flush()


def write_end(sink: BinaryIO, facts: Facts) -> None:
    """Write the last record."""
    write_record(sink, RecordKind.END, json.dumps(facts).encode())


def read_end(payload: memoryview) -> Facts:
    """Return what the last record says. Raises ValueError, RecursionError if it is no document."""
    facts: Facts = json.loads(bytes(payload))
    return facts
