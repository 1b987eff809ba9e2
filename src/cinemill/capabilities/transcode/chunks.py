"""Chunks of one long video that many workers encode at once: where to cut it, and how finely.

Pure. A video is cut where a key frame is shown. All frames shown before that belong to the chunk
before it, whatever the order in which they are stored, so that chunks are ranges of time without
gaps and without overlap.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from cinemill.core.encoding.rendition import Purpose, RenditionRequest, VideoCodec

MIN_WORK_SECONDS = 2.0
"""Work of one core: less would not outweigh the cost of an attempt, about a tenth of a second."""
MIN_SECONDS = 2.0
"""Length of video: every chunk begins with a key frame, and its encoder without history."""
MAX_WORK_SECONDS = 90.0
"""At most this much is repeated when a worker dies."""
WORTHWHILE_SECONDS = 60.0
"""A video that one core encodes faster than this is encoded whole."""
SHARES = 2
"""A chunk is this fraction of what each process would have of the remainder: the first chunks are
long and the last ones short, so that all processes end at about one time, though some are
slower."""
MAX_CHUNKS = 1000
SEEK_BACK_SECONDS = Fraction(3, 23)
"""FFmpeg seeks this much earlier than requested in a video with reordered frames (``dts_heuristic``
in ffmpeg_demux.c)."""
_SEEK_MARGIN_SECONDS = SEEK_BACK_SECONDS + Fraction(1, 200)

PIXELS_PER_SECOND: Mapping[tuple[VideoCodec, Purpose], float] = {
    (VideoCodec.H264, Purpose.ARCHIVE): 14e6,
    (VideoCodec.H264, Purpose.WEB): 24e6,
    (VideoCodec.H264, Purpose.MOBILE): 51e6,
    (VideoCodec.H265, Purpose.ARCHIVE): 8.1e6,
    (VideoCodec.H265, Purpose.WEB): 12e6,
    (VideoCodec.H265, Purpose.MOBILE): 18e6,
    (VideoCodec.VP9, Purpose.ARCHIVE): 4.5e6,
    (VideoCodec.VP9, Purpose.WEB): 6.3e6,
    (VideoCodec.VP9, Purpose.MOBILE): 12e6,
    (VideoCodec.AV1, Purpose.ARCHIVE): 15e6,
    (VideoCodec.AV1, Purpose.WEB): 26e6,
    (VideoCodec.AV1, Purpose.MOBILE): 62e6,
}
"""Pixels that one core encodes in a second, as measured on a synthetic 720p video (the presets'
table in performance.md): a basis for choices, not a promise."""


@dataclass(frozen=True, slots=True)
class KeyframeMark:
    """A stored frame, in ticks of its stream's clock, in storage order."""

    pts: int
    dts: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """The frames that are shown from ``first_pts`` until before ``end_pts``."""

    first_pts: int | None
    """None: from the video's first frame on."""
    end_pts: int | None
    """None: to the video's end."""
    enter_pts: int | None
    """Seek target, at a key frame or before one; None: at the video's start."""
    frames: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate_work(seconds: float, pixels: float, fps: float, request: RenditionRequest) -> float:
    """Estimate the seconds that one core needs for frames of this total duration and size."""
    return seconds * pixels * fps / PIXELS_PER_SECOND[request.codec, request.purpose]


@dataclass(frozen=True, slots=True)
class ChunkDurations:
    """How long chunks are to be, in seconds of video."""

    min_seconds: float
    max_seconds: float
    slots: int
    """Processes that work at once."""

    @staticmethod
    def even(seconds: float) -> ChunkDurations:
        """Return equal lengths for all chunks."""
        return ChunkDurations(seconds, seconds, 1)

    def choose(self, left: float) -> float:
        """Return the next chunk's length, if this many seconds of video are left."""
        return min(self.max_seconds, max(self.min_seconds, left / (SHARES * self.slots)))


def choose_lengths(seconds: float, work_seconds: float, slots: int) -> ChunkDurations | None:
    """Choose chunk lengths for a video of this duration; None if chunks are not worthwhile.

    One core needs ``work_seconds`` for it, and ``slots`` processes work. Each takes its share of
    the remainder ("guided self-scheduling": Polychronopoulos and Kuck, IEEE Transactions on
    Computers 36, 1987), here half of it, within bounds.
    """
    if work_seconds < WORTHWHILE_SECONDS or seconds <= 0:
        return None
    each = seconds / work_seconds
    min_seconds = max(MIN_WORK_SECONDS * each, MIN_SECONDS, seconds / MAX_CHUNKS)
    return ChunkDurations(min_seconds, max(min_seconds, MAX_WORK_SECONDS * each), max(1, slots))


def cut_chunks(
    marks: Sequence[KeyframeMark], time_base: Fraction, lengths: ChunkDurations, *, needs_lead: bool
) -> list[Chunk]:
    """Return chunks of at least these lengths; fewer than two if the video cannot be cut.

    They are as near to the lengths as key frames allow. With ``needs_lead``, each seeks to one key
    frame earlier, for filters that use previous frames.
    """
    times = sorted(mark.pts for mark in marks)
    keys = [mark for mark in marks if mark.is_key]
    if not _is_in_order(keys) or len(set(times)) != len(times):
        return []
    cuts = _choose_cuts(keys, times, time_base, lengths)
    places = [keys[number].pts for number in cuts]
    chunks = []
    for index, (first, end) in enumerate(zip([None, *places], [*places, None], strict=True)):
        begins = 0 if first is None else bisect_left(times, first)
        ends = len(times) if end is None else bisect_left(times, end)
        seek_pts = None
        if first is not None:
            number = cuts[index - 1] - (1 if needs_lead else 0)
            seek_pts = _seek_point(keys, number, time_base)
        chunks.append(Chunk(first, end, seek_pts, ends - begins))
    return chunks


def _is_in_order(keys: Sequence[KeyframeMark]) -> bool:
    return all(
        before.pts < after.pts and before.dts < after.dts
        for before, after in itertools.pairwise(keys)
    )


def _choose_cuts(
    keys: Sequence[KeyframeMark], times: Sequence[int], time_base: Fraction, lengths: ChunkDurations
) -> list[int]:
    """Return the numbers of the key frames at which chunks begin, except the first."""
    cuts: list[int] = []
    last, end = (times[0], times[-1]) if times else (0, 0)
    min_ticks = (end - last) // MAX_CHUNKS  # whatever duration the header stated

    def choose_ticks(begin: int) -> int:
        seconds = lengths.choose(float((end - begin) * time_base))
        return max(min_ticks, round(Fraction(seconds) / time_base))

    ticks = choose_ticks(last)
    for number, key in enumerate(keys):
        if number > 0 and key.pts - last >= ticks and 2 * (end - key.pts) >= ticks:
            cuts.append(number)
            last = key.pts
            ticks = choose_ticks(last)
    return cuts


def _seek_point(keys: Sequence[KeyframeMark], number: int, time_base: Fraction) -> int:
    """Return a time by which FFmpeg finds this key frame, and no later one.

    FFmpeg seeks to the last key frame at or before the time; some demuxers compare presentation
    times, some decoding times, and some of the time it seeks a little earlier than requested. A
    time between the two leads to this key frame, or to one before it, which costs time and no
    frame.
    """
    key = keys[number]
    margin = int(_SEEK_MARGIN_SECONDS / time_base)
    if number + 1 == len(keys):
        return key.pts + margin
    room = keys[number + 1].dts - key.pts
    return key.pts + min(margin, room // 2) if room > 0 else key.dts
