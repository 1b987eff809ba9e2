"""One long film in chunks that many workers encode at once: where it may be cut, and how finely.

Pure. A film is cut where a key frame is shown. What is shown before that belongs to the chunk
before it, whatever the order in which it is stored, so that chunks are ranges of times without a
gap and without an overlap.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from cinemill.core.encoding.rendition import Purpose, RenditionRequest, VideoCodec

LEAST_WORK_SECONDS = 2.0
"""Of one core: less would not outweigh what a try costs, which is about a tenth of a second."""
LEAST_SECONDS = 2.0
"""Of film: every chunk begins with a key frame, and its encoder with nothing to go by."""
MOST_WORK_SECONDS = 90.0
"""So much is done again at the most when a worker dies."""
WORTHWHILE_SECONDS = 60.0
"""A film that one core encodes faster than so is encoded whole."""
SHARES = 2
"""A chunk is so much less than what each process would have of the rest: the first ones are long,
and the last ones short, so that all end at about one time, though some are slower."""
MOST_CHUNKS = 1000
SEEK_BACK_SECONDS = Fraction(3, 23)
"""FFmpeg enters a film with reordered pictures so much earlier than it is told (``dts_heuristic``
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
"""Pixels that one core encodes in a second, as measured on a drawn film of 720p (the presets' table
in performance.md): to choose by, not to promise."""


@dataclass(frozen=True, slots=True)
class KeyframeMark:
    """A stored picture, in ticks of its stream's clock, in the order in which they are stored."""

    pts: int
    dts: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pictures that are shown from ``first_pts`` until before ``end_pts``."""

    first_pts: int | None
    """None: from the film's first picture on."""
    end_pts: int | None
    """None: to the film's end."""
    enter_pts: int | None
    """Where the film is entered, which is at a key frame or before one; None: at its start."""
    frames: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate_work(seconds: float, pixels: float, fps: float, request: RenditionRequest) -> float:
    """Seconds that one core takes for so many seconds of pictures of so many pixels."""
    return seconds * pixels * fps / PIXELS_PER_SECOND[request.codec, request.purpose]


@dataclass(frozen=True, slots=True)
class ChunkDurations:
    """How long chunks are to be, in seconds of film."""

    least: float
    most: float
    slots: int
    """Processes that work at once."""

    @staticmethod
    def even(seconds: float) -> ChunkDurations:
        """All of one length."""
        return ChunkDurations(seconds, seconds, 1)

    def choose(self, left: float) -> float:
        """The next chunk's length, where so many seconds of film are left."""
        return min(self.most, max(self.least, left / (SHARES * self.slots)))


def choose_lengths(seconds: float, work_seconds: float, slots: int) -> ChunkDurations | None:
    """How long chunks are to be for a film of so many seconds that takes one core
    ``work_seconds``, where ``slots`` processes work; None: it is not worth it.

    Each takes its share of what is left ("guided self-scheduling": Polychronopoulos and Kuck,
    IEEE Transactions on Computers 36, 1987), here half of it, within bounds.
    """
    if work_seconds < WORTHWHILE_SECONDS or seconds <= 0:
        return None
    each = seconds / work_seconds
    least = max(LEAST_WORK_SECONDS * each, LEAST_SECONDS, seconds / MOST_CHUNKS)
    return ChunkDurations(least, max(least, MOST_WORK_SECONDS * each), max(1, slots))


def cut_chunks(
    marks: Sequence[KeyframeMark], time_base: Fraction, lengths: ChunkDurations, *, needs_lead: bool
) -> list[Chunk]:
    """Chunks of at least these lengths, as near to them as key frames allow; fewer than two where
    the film cannot be cut.

    ``needs_lead``: each is entered a key frame early, for filters that look back.
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
        enter = None
        if first is not None:
            number = cuts[index - 1] - (1 if needs_lead else 0)
            enter = _seek_point(keys, number, time_base)
        chunks.append(Chunk(first, end, enter, ends - begins))
    return chunks


def _is_in_order(keys: Sequence[KeyframeMark]) -> bool:
    return all(
        before.pts < after.pts and before.dts < after.dts
        for before, after in itertools.pairwise(keys)
    )


def _choose_cuts(
    keys: Sequence[KeyframeMark], times: Sequence[int], time_base: Fraction, lengths: ChunkDurations
) -> list[int]:
    """Numbers of the key frames at which chunks begin, but for the first."""
    cuts: list[int] = []
    last, end = (times[0], times[-1]) if times else (0, 0)
    least = (end - last) // MOST_CHUNKS  # whatever the header said of the film's length

    def choose_ticks(begin: int) -> int:
        seconds = lengths.choose(float((end - begin) * time_base))
        return max(least, round(Fraction(seconds) / time_base))

    ticks = choose_ticks(last)
    for number, key in enumerate(keys):
        if number > 0 and key.pts - last >= ticks and 2 * (end - key.pts) >= ticks:
            cuts.append(number)
            last = key.pts
            ticks = choose_ticks(last)
    return cuts


def _seek_point(keys: Sequence[KeyframeMark], number: int, time_base: Fraction) -> int:
    """A time by which FFmpeg finds this key frame, and no later one.

    It looks for the last key frame at or before the time, some by the time that it is shown and
    some by the time that it is decoded, and some of the time looks a little earlier than it was
    told. What is between the two ends up at this key frame, or at one before it, which costs time
    and no picture.
    """
    key = keys[number]
    margin = int(_SEEK_MARGIN_SECONDS / time_base)
    if number + 1 == len(keys):
        return key.pts + margin
    room = keys[number + 1].dts - key.pts
    return key.pts + min(margin, room // 2) if room > 0 else key.dts
