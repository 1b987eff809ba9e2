"""Frames of a video as arrays: those with exact timestamps, or every one at a small size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from cinemill.core.frames import Frame
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.process import ShouldStop, decode_records, never_stop, reject
from cinemill.media.frames.records import (
    FRAME_HEAD,
    MAX_PAYLOAD_BYTES,
    RecordKind,
    Request,
    read_end,
)

MAX_FRAME_PIXELS = (MAX_PAYLOAD_BYTES - FRAME_HEAD.size) // 3
SHOT_FRAME_SIZE = (48, 27)
"""Width and height of frames for finding shots, as ingest stores them."""


def read_frames(
    path: Path,
    index: FrameIndex,
    pts: Sequence[int],
    *,
    limits: Limits,
    max_width: int,
    max_pixels: int,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> Iterator[Frame]:
    """Yield the frames with exactly these timestamps of the index, in order of time.

    They are upright, with square pixels, at most ``max_width`` wide and ``max_pixels`` large, and
    never enlarged. Frames with errors are left out; after all others, the error is raised. One
    frame is decoded ahead.

    Raises KeyError for a timestamp that is not in the index; MediaRejected, with the code
    ``media_truncated`` or ``media_damaged`` once a frame was left out; otherwise as
    :func:`read_index` does.
    """
    targets = [(time, index.key_before(time)) for time in sorted(set(pts))]
    if not targets:
        return
    request: Request = {
        "what": "frames",
        "targets": targets,
        "first_pts": int(index.pts[0]),
        "has_packet_times": index.has_packet_times,
        "is_seekable": index.is_seekable,
        "max_width": max_width,
        "max_pixels": min(max_pixels, MAX_FRAME_PIXELS),
    }
    records = decode_records(path, request, limits=limits, sandbox=sandbox, should_stop=should_stop)
    for kind, payload in records:
        if kind is RecordKind.FRAME:
            yield _unpack_frame(payload)
        elif read_end(payload)["missing"]:
            raise reject("media_truncated" if index.is_cut_off else "media_damaged")


def read_every_frame(
    path: Path,
    *,
    limits: Limits,
    width: int,
    height: int,
    rate: Fraction | None = None,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> Iterator[Frame]:
    """Yield every frame in order, or at most ``rate`` a second, all scaled to one size.

    Reads the original or the frames for shots that ingest stored. A few frames are decoded ahead,
    whatever the video's length. Raises MediaRejected with the code ``media_truncated`` after the
    last frame of a video that is cut off, ``media_damaged`` if there is none at all; otherwise as
    :func:`read_index` does.
    """
    request: Request = {
        "what": "all",
        "width": width,
        "height": height,
        "rate": None if rate is None else str(rate),
    }
    found = False
    records = decode_records(path, request, limits=limits, sandbox=sandbox, should_stop=should_stop)
    for kind, payload in records:
        if kind is RecordKind.FRAME:
            found = True
            yield _unpack_frame(payload)
        elif read_end(payload)["is_cut_off"]:
            raise reject("media_truncated")
    if not found:
        raise reject("media_damaged")


def _unpack_frame(payload: memoryview) -> Frame:
    pts, time_ms, width, height = FRAME_HEAD.unpack(payload[: FRAME_HEAD.size])
    pixels = np.frombuffer(payload[FRAME_HEAD.size :], dtype=np.uint8)
    if pixels.size != width * height * 3:
        raise reject("media_unreadable")
    return Frame(pts, time_ms, pixels.reshape(height, width, 3))
