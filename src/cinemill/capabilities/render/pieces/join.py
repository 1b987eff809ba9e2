"""Pieces and sound joined into one film, without encoding and without a seam.

Every piece lies on the film's grid, so that a frame's time is its number; times are written anew
from the numbers and never added up. One packet at a time is in memory, however long the film.
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
"""More frames than any encoder shows later than it writes them."""
_TELL_EVERY = 250
"""Packets between two looks whether to stop."""


@dataclass(frozen=True, slots=True)
class JoinPiece:
    """A finished piece: its file, and its facts as it was inspected."""

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
    """Parts of a piece written to ``path`` as one, unexamined.

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
    sound: Path | None,
    output: OutputFormat,
    path: Path,
    *,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], Exception | None],
) -> dict[str, Any]:
    """Write the film to ``path``; answers its facts (``frames``, ``duration_seconds``, ``sounds``
    and the like), as they were read back.

    Raises OutputInvalid, DiskFull, and whatever ``should_stop`` returns.
    """
    frames = sum(piece.frames for piece in pieces)
    counter = _ProgressCounter(frames, on_progress, should_stop)
    try:
        _write(pieces, sound, output, path, counter)
        return inspect_film(path, output, frames, has_sound=sound is not None)
    except PacketError as broken:
        raise _explain(broken) from broken


def _explain(broken: Exception) -> CinemillError:
    if getattr(broken, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full; nothing was stored.")
    return OutputInvalid(f"The pieces could not be joined: {broken}")


class _ProgressCounter:
    """Tells the share that is done, and raises what asks to stop."""

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
        if self._packets % _TELL_EVERY == 0:
            stop = self._should_stop()
            if stop is not None:
                raise stop
            self._on_progress(min(0.9, 0.9 * frame / self._frames))


def _write(
    pieces: Sequence[JoinPiece],
    sound: Path | None,
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
        create_mp4(path, options) as film,
    ):
        picture = film.add_stream_from_template(first.streams.video[0])
        picture.time_base = Fraction(1, timescale)
        streams = [_number_packets(pieces, picture, ticks)]
        if sound is not None:
            streams.append(_read_sound(sound, film))
        for when, packet in heapq.merge(*streams, key=lambda pair: pair[0]):
            film.mux_one(packet)
            counter.count(int(when * output.fps))


def _number_packets(
    pieces: Sequence[JoinPiece], picture: Any, ticks: int
) -> Iterator[tuple[Fraction, Any]]:
    """The picture's packets with times made of frame numbers, and when each is decoded."""
    delay = max(piece.delay for piece in pieces)
    first = 0
    for piece in pieces:
        with open_film(piece.path) as container:
            for number, packet in enumerate(read_packets(container)):
                packet.pts = (packet.pts or 0) + first * ticks
                packet.dts = (first + number - delay) * ticks
                packet.duration = ticks
                packet.time_base = picture.time_base
                packet.stream = picture
                yield packet.dts * picture.time_base, packet
        first += piece.frames


def _read_sound(path: Path, film: Any) -> Iterator[tuple[Fraction, Any]]:
    container = open_mp4(path)
    try:
        source = container.streams.audio[0]
        sound = film.add_stream_from_template(source)
    except BaseException:
        container.close()
        raise
    return _copy_packet(container, source, sound)


def _copy_packet(container: Any, source: Any, sound: Any) -> Iterator[tuple[Fraction, Any]]:
    with container:
        for packet in container.demux(source):
            if packet.pts is not None:
                when = packet.dts * packet.time_base
                packet.stream = sound
                yield when, packet


def inspect_film(
    path: Path, output: OutputFormat, frames: int, *, has_sound: bool
) -> dict[str, Any]:
    """Read back what was joined: every frame there, at equal steps. Raises OutputInvalid."""
    with open_film(path) as film:
        facts = _read_facts(film, output)
    planned = {
        "width": output.width,
        "height": output.height,
        "frames": frames,
        "sounds": int(has_sound),
        "has_equal_steps": True,
    }
    wrong = {name: facts[name] for name, value in planned.items() if facts[name] != value}
    if wrong:
        raise OutputInvalid(f"The output is not as planned: {wrong} in place of {planned}.")
    if not starts_fast(path):
        raise OutputInvalid("The output has its index at the end.")
    return {name: value for name, value in facts.items() if not isinstance(value, bool)}


def _read_facts(film: Any, output: OutputFormat) -> dict[str, Any]:
    stream = film.streams.video[0]
    frames, is_even = _count_steps(
        (packet.pts for packet in film.demux(stream) if packet.pts is not None),
        1 / output.fps / stream.time_base,
    )
    return {
        "codec": stream.codec_context.name,
        "width": stream.codec_context.width,
        "height": stream.codec_context.height,
        "fps": str(output.fps),
        "frames": frames,
        "duration_seconds": float(frames / output.fps),
        "sounds": len(film.streams.audio),
        "has_equal_steps": is_even,
    }


def _count_steps(times: Iterable[int], step: Fraction) -> tuple[int, bool]:
    """How many there are, and whether in order they are 0, 1, 2 … steps.

    They come in the order of decoding, which is a few frames off: only so many are kept.
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
