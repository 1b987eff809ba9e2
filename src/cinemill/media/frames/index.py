"""When each frame of a video is shown, without decoding it where its container says so."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.core.timing import to_milliseconds
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.frames.process import ShouldStop, decode_records, never_stop, reject
from cinemill.media.frames.records import Facts, RecordKind, read_end
from cinemill.media.probe.sniff import sniff_file


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The frames of a video in display order: nine bytes a frame."""

    container: SourceFormat | MaterialFormat
    time_base: Fraction
    """Seconds a tick."""
    pts: NDArray[np.int64]
    """Timestamps, strictly rising; the first frame's is the origin of all times."""
    is_key: NDArray[np.bool_]
    """Frames from which decoding can begin."""
    last_duration: int
    """How many ticks the last frame is shown; 0 where the container does not say."""
    packet_bytes: int
    """Of the video's packets: neither audio, attachments, cover art nor the container count."""
    has_packet_times: bool
    """Timestamps are those of the packets; otherwise they were found by decoding everything, and
    frames are found again by counting."""
    is_seekable: bool
    """Frames can be decoded from the key frame before; otherwise only from the beginning."""
    is_cut_off: bool
    """The file ends before its video does: these are the frames that it has."""

    def __len__(self) -> int:
        return len(self.pts)

    def time_ms(self, pts: int) -> int:
        """Return milliseconds from the first frame to a timestamp."""
        return to_milliseconds((pts - int(self.pts[0])) * self.time_base)

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """Milliseconds of every frame."""
        ticks = (self.pts - self.pts[0]) * (2000 * self.time_base.numerator)
        whole: NDArray[np.int64] = (ticks + self.time_base.denominator) // (
            2 * self.time_base.denominator
        )
        return whole

    @property
    def end_ms(self) -> int:
        """Return when the last frame ends: one usual step after it, where nothing is declared."""
        duration = self.last_duration
        if not duration and len(self.pts) > 1:
            duration = int(np.median(np.diff(self.pts)))
        return self.time_ms(int(self.pts[-1]) + duration)

    def bits_per_pixel(self, width: int, height: int) -> float | None:
        """Return the bits of the encoding for each pixel of each frame; None if they are unknown.

        ``width`` and ``height`` are those that the video is stored with.
        """
        pixels = width * height * len(self.pts)
        return 8 * self.packet_bytes / pixels if pixels and self.packet_bytes else None

    def shown_at(self, time_ms: int) -> int:
        """Return the number, from 0, of the frame on screen at a time; of the nearest outside."""
        number = int(np.searchsorted(self.times_ms, time_ms, side="right")) - 1
        return max(0, number)

    def find(self, pts: int) -> int:
        """Return the number, from 0, of the frame with this timestamp. Raises KeyError."""
        number = int(np.searchsorted(self.pts, pts))
        if number == len(self.pts) or int(self.pts[number]) != pts:
            raise KeyError(pts)
        return number

    def key_before(self, pts: int) -> int:
        """Return the timestamp of the last key frame at or before this; of the first frame else."""
        before = self.pts[: self.find(pts) + 1][self.is_key[: self.find(pts) + 1]]
        return int(before[-1]) if before.size else int(self.pts[0])


def read_index(
    path: Path,
    limits: Limits,
    *,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> FrameIndex:
    """Read when each frame of the video at ``path`` is shown.

    Reads all packets of MP4, Matroska, MPEG-TS, FLV and ASF, and decodes the whole video where
    timestamps are missing or ambiguous or an edit list hides frames. Of a truncated video it finds
    the frames that are there.

    Raises MediaRejected with a code of ``media.rejections.REJECTION_CODES``, CommandFailed,
    CommandStalled, and what ``should_stop`` returns.
    """
    records = decode_records(
        path, {"what": "index"}, limits=limits, sandbox=sandbox, should_stop=should_stop
    )
    columns = dict(records)
    return _build_index(sniff_file(path), columns, read_end(columns[RecordKind.END]))


def _build_index(
    container: SourceFormat | MaterialFormat, columns: dict[RecordKind, memoryview], facts: Facts
) -> FrameIndex:
    pts = np.frombuffer(columns[RecordKind.TIMESTAMPS], dtype=np.int64)
    is_key = np.frombuffer(columns[RecordKind.KEYS], dtype=np.bool_)
    if not pts.size or pts.size != is_key.size or not (pts[1:] > pts[:-1]).all():
        raise reject("media_unreadable")
    return FrameIndex(
        container=container,
        time_base=Fraction(facts["time_base"]),
        pts=pts,
        is_key=is_key,
        last_duration=int(facts["last_duration"]),
        packet_bytes=int(facts["packet_bytes"]),
        has_packet_times=bool(facts["has_packet_times"]),
        is_seekable=bool(facts["is_seekable"]),
        is_cut_off=bool(facts["is_cut_off"]),
    )
