"""The packets of a video stream as columns: times, sizes, key frames, and the encoder's own notes.

Runs inside the sandboxed child; nothing is decoded, and no byte of the file is trusted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from cinemill.media.forensics.bitstream import BitstreamReader, EncoderNote

MOST_PACKETS = 500_000
"""More than two hours at 60 frames a second."""
MOST_NOTES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """Packets in the order in which they are stored. Times are in seconds from the first frame."""

    codec: str
    times: NDArray[np.float64]
    """Presentation times."""
    delays: NDArray[np.float64]
    """Presentation less decoding time; NaN where the container states no decoding time."""
    sizes: NDArray[np.int64]
    """Bytes."""
    is_key: NDArray[np.bool_]
    time_base: Fraction
    is_whole: bool
    notes: tuple[EncoderNote, ...] = ()
    """What the encoder wrote into the stream, by packet."""
    configurations: tuple[tuple[int, str], ...] = ()
    """(packet, digest) wherever the stream repeats or changes its decoder configuration."""

    @property
    def display_order(self) -> NDArray[np.intp]:
        """Return the packets' positions, sorted by when they are shown."""
        return np.argsort(self.times, kind="stable")

    @property
    def key_places(self) -> NDArray[np.intp]:
        """Return the positions of the key frames among all frames in the order of display."""
        return np.flatnonzero(self.is_key[self.display_order])

    @property
    def seconds(self) -> float:
        """Return the time from the first to the last frame."""
        return float(np.ptp(self.times)) if len(self.times) else 0.0

    def is_reordered(self) -> NDArray[np.bool_]:
        """Return which packets are shown before one that was stored earlier (B-frames)."""
        latest = np.maximum.accumulate(self.times)
        return self.times < latest


@dataclass(slots=True)
class _Columns:
    pts: list[int] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    is_key: list[bool] = field(default_factory=list)

    def add(self, packet: Any) -> None:
        """Append a packet."""
        self.pts.append(packet.pts)
        self.dts.append(packet.dts)
        self.sizes.append(packet.size)
        self.is_key.append(bool(packet.is_keyframe))


def read_packet_table(container: Any, stream: Any, *, cpu_seconds: float) -> PacketTable:
    """Return the packets of ``stream``, as many as can be read in ``cpu_seconds``.

    The table ends at the first error and is then not whole. Raises av.FFmpegError where not even
    one packet can be read.
    """
    columns = _Columns()
    bitstream = BitstreamReader.for_stream(stream)
    is_whole = True
    ends_at = time.process_time() + cpu_seconds
    try:
        for position, packet in enumerate(_packets(container, stream)):
            if position >= MOST_PACKETS or time.process_time() > ends_at:
                is_whole = False
                break
            columns.add(packet)
            bitstream.read(position, packet)
    except av.FFmpegError:
        if not columns.pts:
            raise
        is_whole = False
    return _build(columns, stream, bitstream, is_whole=is_whole)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            yield packet


def _build(
    columns: _Columns, stream: Any, bitstream: BitstreamReader, *, is_whole: bool
) -> PacketTable:
    time_base = Fraction(stream.time_base)
    seconds = float(time_base)
    pts = np.array(columns.pts, dtype=np.float64)
    dts = np.array([np.nan if one is None else one for one in columns.dts], dtype=np.float64)
    first = pts.min() if len(pts) else 0.0
    return PacketTable(
        codec=stream.codec_context.codec.canonical_name,
        times=(pts - first) * seconds,
        delays=(pts - dts) * seconds,
        sizes=np.array(columns.sizes, dtype=np.int64),
        is_key=np.array(columns.is_key, dtype=np.bool_),
        time_base=time_base,
        is_whole=is_whole,
        notes=tuple(bitstream.notes[:MOST_NOTES]),
        configurations=tuple(bitstream.configurations[:MOST_NOTES]),
    )
