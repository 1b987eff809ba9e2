"""Records that the decoding process writes: a kind, a length, and that many bytes."""

from __future__ import annotations

import json
import struct
from enum import Enum
from typing import Any, BinaryIO

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


def write_record(sink: BinaryIO, kind: RecordKind, *parts: Any) -> None:
    """Write one record of these bytes-like parts, and flush it."""
    views = [memoryview(part).cast("B") for part in parts]
    sink.write(RECORD_HEAD.pack(kind.value, sum(view.nbytes for view in views)))
    for view in views:
        sink.write(view)
    sink.flush()


def write_end(sink: BinaryIO, document: dict[str, Any]) -> None:
    """Write the last record."""
    write_record(sink, RecordKind.END, json.dumps(document).encode())
