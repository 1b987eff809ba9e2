"""Pieces and audio joined into one video, without encoding and without a seam.

Every piece is aligned to the output's frame grid, so that a frame's number gives its time; times
are computed from the numbers and never added up. One packet at a time is in memory.
"""

from __future__ import annotations

import errno
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.pieces.clip_filters import ticks_per_frame
from cinemill.core.output import OutputFormat
from cinemill.errors import CinemillError, DiskFull, OutputInvalid
from cinemill.media.probe.packets import PacketError, create_mp4, open_film, open_mp4, read_packets
from cinemill.media.verify.outputs import starts_fast

MEDIA_TYPE = "video/mp4"
MOST_REORDERED = 32
"""More frames than any encoder delays."""
_PACKETS_PER_CHECK = 250
"""Packets between two checks whether to stop."""


@dataclass(frozen=True, slots=True)
class JoinPiece:
    """A finished piece: its file, and the facts that its inspection found."""

    path: Path
    frames: int
    delay: int
    settings: str


def concat_pieces(
    pieces: Sequence[JoinPiece],
    output: OutputFormat,
    path: Path,
    should_stop: Callable[[], Exception | None],
) -> None:
    """Write the parts of a piece to ``path`` as one, without checking the result.

    Raises OutputInvalid, DiskFull, and whatever ``should_stop`` returns.
    """
    counter = _ProgressCounter(
        sum(piece.frames for piece in pieces), lambda _share: None, should_stop
    )
    try:
        _write(pieces, None, output, path, counter)
    except PacketError as broken:
        raise _explain(broken) from broken


def join_pieces(
    pieces: Sequence[JoinPiece],
    audio: Path | None,
    output: OutputFormat,
    path: Path,
    *,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], Exception | None],
) -> dict[str, Any]:
    """Write the video to ``path``, read it back, and return its facts.

    These are ``frames``, ``duration_seconds``, ``sounds`` and the like.

    Raises OutputInvalid, DiskFull, and whatever ``should_stop`` returns.
    """
    frames = sum(piece.frames for piece in pieces)
    counter = _ProgressCounter(frames, on_progress, should_stop)
    try:
        _write(pieces, audio, output, path, counter)
        return inspect_video(path, output, frames, has_audio=audio is not None)
    except PacketError as broken:
        raise _explain(broken) from broken


def _explain(broken: Exception) -> CinemillError:
    if getattr(broken, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full; nothing was stored.")
    return OutputInvalid(f"The pieces could not be joined: {broken}")


class _ProgressCounter:
    """Reports progress, and raises the error that asks to stop."""

    def __init__(
        self,
        frames: int,
        on_progress: Callable[[float], None],
        should_stop: Callable[[], Exception | None],
    ) -> None:
        self._frames = frames
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._packets = 0

    def count(self, frame: int) -> None:
        self._packets += 1
        if self._packets % _PACKETS_PER_CHECK == 0:
            stop = self._should_stop()
            if stop is not None:
                raise stop
            self._on_progress(min(0.9, 0.9 * frame / self._frames))


def _write(
    pieces: Sequence[JoinPiece],
    audio: Path | None,
    output: OutputFormat,
    path: Path,
    counter: _ProgressCounter,
) -> None:
    if len({piece.settings for piece in pieces}) > 1:
        raise OutputInvalid(
            "The pieces were encoded by different encoders.",
            hint="Use the same FFmpeg on all workers, and render again.",
        )
    timescale, ticks = ticks_per_frame(output.fps)
    options = {"movflags": "+faststart", "video_track_timescale": str(timescale)}
    with (
        open_film(pieces[0].path) as first,
        create_mp4(path, options) as target,
    ):
        track = target.add_stream_from_template(first.streams.video[0])
        track.time_base = Fraction(1, timescale)
        streams = [_number_packets(pieces, track, ticks)]
        if audio is not None:
            streams.append(_read_audio(audio, target))
        for when, packet in heapq.merge(*streams, key=lambda pair: pair[0]):
            target.mux_one(packet)
            counter.count(int(when * output.fps))


def _number_packets(
    pieces: Sequence[JoinPiece], track: Any, ticks: int
) -> Iterator[tuple[Fraction, Any]]:
    """Yield the video packets with times from frame numbers, and the decode time of each."""
    delay = max(piece.delay for piece in pieces)
    first = 0
    for piece in pieces:
        with open_film(piece.path) as container:
            for number, packet in enumerate(read_packets(container)):
                packet.pts = (packet.pts or 0) + first * ticks
                packet.dts = (first + number - delay) * ticks
                packet.duration = ticks
                packet.time_base = track.time_base
                packet.stream = track
                yield packet.dts * track.time_base, packet
        first += piece.frames


def _read_audio(path: Path, target: Any) -> Iterator[tuple[Fraction, Any]]:
    container = open_mp4(path)
    try:
        source = container.streams.audio[0]
        audio = target.add_stream_from_template(source)
    except BaseException:
        container.close()
        raise
    return _copy_packet(container, source, audio)


def _copy_packet(container: Any, source: Any, audio: Any) -> Iterator[tuple[Fraction, Any]]:
    with container:
        for packet in container.demux(source):
            if packet.pts is not None:
                when = packet.dts * packet.time_base
                packet.stream = audio
                yield when, packet


def inspect_video(
    path: Path, output: OutputFormat, frames: int, *, has_audio: bool
) -> dict[str, Any]:
    """Check that the output has every frame, at equal steps. Raises OutputInvalid."""
    with open_film(path) as video:
        facts = _read_facts(video, output)
    planned = {
        "width": output.width,
        "height": output.height,
        "frames": frames,
        "sounds": int(has_audio),
        "has_equal_steps": True,
    }
    wrong = {name: facts[name] for name, value in planned.items() if facts[name] != value}
    if wrong:
        raise OutputInvalid(f"The output is not as planned: {wrong} in place of {planned}.")
    if not starts_fast(path):
        raise OutputInvalid("The output has its index at the end.")
    return {name: value for name, value in facts.items() if not isinstance(value, bool)}


def _read_facts(video: Any, output: OutputFormat) -> dict[str, Any]:
    stream = video.streams.video[0]
    frames, is_even = _count_steps(
        (packet.pts for packet in video.demux(stream) if packet.pts is not None),
        1 / output.fps / stream.time_base,
    )
    return {
        "codec": stream.codec_context.name,
        "width": stream.codec_context.width,
        "height": stream.codec_context.height,
        "fps": str(output.fps),
        "frames": frames,
        "duration_seconds": float(frames / output.fps),
        "sounds": len(video.streams.audio),
        "has_equal_steps": is_even,
    }


def _count_steps(times: Iterable[int], step: Fraction) -> tuple[int, bool]:
    """Return how many times there are, and whether in order they are 0, 1, 2 … steps.

    They come in decoding order, which differs by a few frames: only so many are kept.
    """
    waiting: list[int] = []
    count, is_even = 0, True
    for time in times:
        heapq.heappush(waiting, time)
        if len(waiting) > MOST_REORDERED:
            is_even &= heapq.heappop(waiting) == count * step
            count += 1
    for number, time in enumerate(sorted(waiting), start=count):
        is_even &= time == number * step
    return count + len(waiting), is_even
