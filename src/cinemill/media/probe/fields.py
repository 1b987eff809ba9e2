"""Whether a video is interlaced, by frames that are decoded all over its length.

The first frame alone does not tell: broadcasts and archives change between films, which are
progressive, and studio pictures, which are not. Only frames that say so themselves count, as only
those are deinterlaced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import av

from cinemill.core.media import Scan
from cinemill.media.probe.bounded_file import BoundedFile

PLACES = 16
PACKETS_AT_PLACE = 5
"""Two fields may come in a packet each."""
PLACE_BYTES = 16 * 1024**2
MOST_CPU_SECONDS = 8.0
"""Of the process, which may use more in all: only frames of the largest size take so long."""
_WITHOUT_FIELDS = frozenset({"vp8", "vp9", "av1", "theora", "flv", "gif", "png", "apng", "webp"})


def classify(are_interlaced: Iterable[bool]) -> Scan:
    """Return what these frames make the video; progressive if there are none."""
    kinds = set(are_interlaced)
    if len(kinds) > 1:
        return Scan.MIXED
    return Scan.INTERLACED if True in kinds else Scan.PROGRESSIVE


def sample_scan(
    container: Any, stream: Any, file: BoundedFile, *, first: bool, duration_seconds: float
) -> Scan:
    """Return the kind of the video, whose first frame is interlaced if ``first``.

    Decodes a few frames from each of :data:`PLACES` places on, and leaves the container there.
    """
    found = {first}
    if stream.codec_context.codec.canonical_name in _WITHOUT_FIELDS or duration_seconds <= 0:
        return classify(found)
    ticks = duration_seconds / float(stream.time_base)
    for place in range(PLACES):
        if len(found) > 1 or time.process_time() > MOST_CPU_SECONDS:
            break
        file.allow(PLACE_BYTES)
        at = (stream.start_time or 0) + int(ticks * (2 * place + 1) / (2 * PLACES))
        found |= _decode_at(container, stream, at)
    return classify(found)


def _decode_at(container: Any, stream: Any, at: int) -> set[bool]:
    """Return what the frames from the key frame before a time on say; what is broken, nothing."""
    found: set[bool] = set()
    try:
        container.seek(at, stream=stream)
        for count, packet in enumerate(container.demux(stream), 1):
            found |= _decode(stream, packet)
            if count >= PACKETS_AT_PLACE or not packet.size:
                break
        found |= _decode(stream, None)
    except (av.FFmpegError, ValueError, OverflowError):
        pass  # the next place may be whole; and what is damaged is found out when all is decoded
    return found


def _decode(stream: Any, packet: Any) -> set[bool]:
    return {bool(frame.interlaced_frame) for frame in stream.codec_context.decode(packet)}
