"""Concatenation of chunks and tracks into one rendition, seamlessly and without encoding.

The chunks' frames have the video's own timestamps. Only decoding timestamps are rewritten: a frame
is decoded when the frame ``delay`` places before it in display order is shown.
"""

from __future__ import annotations

import errno
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from cinemill.core.encoding.rendition import Container, RenditionRequest, VideoCodec
from cinemill.core.media import MediaInfo
from cinemill.errors import DiskFull, OutputInvalid
from cinemill.media.encoding.encode import inspect_rendition
from cinemill.media.encoding.encode_plan import EncodePlan
from cinemill.media.encoding.stated_end import state_end
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.containers import DEMUXERS, MUXERS
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, create_mp4, open_film, open_mp4, read_packets

VIDEO_NAME = "joined/picture.mp4"
"""In a folder of its own: it is no output of a command, whose total size is limited."""
MIN_TIMESCALE = 10_000
_CHECK_EVERY = 250
"""Packets between two checks for cancellation."""
_VIDEO_SHARE = 0.5
"""Share of the whole work: the video is written twice."""


@dataclass(frozen=True, slots=True)
class FinishedChunk:
    path: Path
    frames: int
    delay: int
    """Largest number of places by which a frame is shown later than it is stored."""
    settings: str


def concat_chunks(
    session: FfmpegSession,
    chunks: Sequence[FinishedChunk],
    tracks: Path | None,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    plan: EncodePlan,
) -> tuple[Path, dict[str, Any]]:
    """Concatenate chunks in order with audio and subtitles; return the path and its facts.

    The facts are read back from the file. ``source`` provides names, languages and chapters. Raises
    OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    if len({chunk.settings for chunk in chunks}) > 1:
        raise OutputInvalid(
            "The chunks were encoded by different encoders.",
            hint="Use the same FFmpeg on all workers, and submit it again.",
        )
    video = session.folder / VIDEO_NAME
    video.parent.mkdir(mode=0o700)
    try:
        _concat(session, chunks, video, _held_until(info))
    except (*PacketError, ValueError) as broken:
        if getattr(broken, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The disk is full; nothing was stored.") from broken
        raise OutputInvalid(f"The chunks could not be joined: {broken}") from broken
    _mux(session, video, tracks, source, info, request, plan)
    video.unlink()
    path = session.folder / plan.filename
    facts = inspect_rendition(path, plan)
    state_end(
        session,
        path,
        start_seconds=facts["start_seconds"],
        duration_seconds=facts["duration_seconds"],
    )
    frames = sum(chunk.frames for chunk in chunks)
    if facts["frames"] != frames:
        raise OutputInvalid(f"{frames} frames were joined, but {facts['frames']} written.")
    return path, facts


def _held_until(info: MediaInfo) -> Fraction | None:
    """Return when a held last frame ends, on the rendition's clock; None if it is not held."""
    if not info.video.holds_last_frame:
        return None
    return Fraction(info.lead_seconds + info.picture_seconds)


def _concat(
    session: FfmpegSession,
    chunks: Sequence[FinishedChunk],
    path: Path,
    held_until: Fraction | None,
) -> None:
    with open_mp4(chunks[0].path) as first:
        template = first.streams.video[0]
        timescale = choose_timescale(Fraction(template.time_base or 0))
        options = {"video_track_timescale": str(timescale), "movie_timescale": str(timescale)}
        with create_mp4(path, options) as output:
            video = output.add_stream_from_template(template, opaque=True)
            video.time_base = Fraction(1, timescale)
            count = sum(chunk.frames for chunk in chunks)
            for number, packet in enumerate(_rewrite_timestamps(chunks, video, held_until)):
                output.mux_one(packet)
                if number % _CHECK_EVERY == 0:
                    _check_cancelled(session)
                    session.on_progress(_VIDEO_SHARE * number / max(1, count))


def _check_cancelled(session: FfmpegSession) -> None:
    stop = session.should_stop()
    if stop is not None:
        raise stop


def choose_timescale(time_base: Fraction) -> int:
    """Return ticks a second in which every tick of this clock is a whole number, and fine ones."""
    hz = time_base.denominator
    return hz * -(-MIN_TIMESCALE // hz)


def _rewrite_timestamps(
    chunks: Sequence[FinishedChunk], video: Any, held_until: Fraction | None
) -> Iterator[Any]:
    """Yield the packets of all chunks on the video's clock, the last frame until its end.

    Decoding timestamps are the presentation timestamps, ``delay`` places late; before the first,
    evenly spaced. The earliest unused timestamp among those stored so far is final: no later frame
    is shown ``delay`` places before its own place.
    """
    per_tick = _count_ticks(chunks[0].path, Fraction(video.time_base))
    delay = max(chunk.delay for chunk in chunks)
    shown = _lead_in(chunks[0].path, delay)
    last = shown[0] - 1 if shown else None
    lengths = _hold_last_frame(chunks[-1].path, held_until, per_tick * Fraction(video.time_base))
    for chunk in chunks:
        read = _read_last_chunk if chunk is chunks[-1] else _read_chunk
        for packet in read(chunk.path):
            decoded = heapq.heappushpop(shown, packet.pts)
            if last is not None and decoded <= last:
                raise OutputInvalid("Two chunks contain the same frames.")
            last = decoded
            length = packet.duration or 0
            if chunk is chunks[-1]:
                length = lengths.get(packet.pts, length)
            packet.duration = length * per_tick
            packet.dts = decoded * per_tick
            packet.pts = packet.pts * per_tick
            packet.time_base = video.time_base
            packet.stream = video
            yield packet


def _hold_last_frame(path: Path, until: Fraction | None, time_base: Fraction) -> dict[int, int]:
    """Return the durations of packets of the last chunk by their timestamps, in its ticks.

    They are those of the packets that are shown last and stored last, whose frames end ``until``
    then: see :func:`cinemill.media.ffmpeg.arguments.hold_packets`.
    """
    times = [packet.pts for packet in _read_chunk(path)] if until is not None else []
    if until is None or not times:
        return {}
    end = round(until / time_base)
    return {time: end - time for time in (max(times), times[-1]) if end > time}


def _count_ticks(path: Path, time_base: Fraction) -> int:
    """Return how many of the video's ticks are in one of the chunk's."""
    with open_mp4(path) as container:
        return int(Fraction(container.streams.video[0].time_base or 0) / time_base)


def _lead_in(path: Path, delay: int) -> list[int]:
    """Return ``delay`` times before the first frame's, spaced as the first two, in order."""
    # The first two that are shown are among the first ``delay + 2`` that are stored.
    first = sorted(packet.pts for packet in islice(_read_chunk(path), delay + 2))
    step = first[1] - first[0] if len(first) > 1 else 1
    return [first[0] - (delay - place) * step for place in range(delay)] if first else []


def _read_chunk(path: Path) -> Iterator[Any]:
    with open_film(path) as chunk:
        yield from read_packets(chunk)


def _read_last_chunk(path: Path) -> Iterator[Any]:
    """Read the last chunk, with the last frame's duration estimated from the frame rate."""
    with open_mp4(path) as chunk:
        yield from read_packets(chunk)


def _mux(
    session: FfmpegSession,
    video: Path,
    tracks: Path | None,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    plan: EncodePlan,
) -> None:
    inputs = ["-copyts", "-f", "mov", "-i", VIDEO_NAME]
    maps = ["-map", "0:v"]
    readable = [source]
    if tracks is not None:
        inputs += ["-f", DEMUXERS[request.container], "-i", f"file:{tracks}"]
        maps += ["-map", "1:a?", "-map", "1:s?"]
        readable.append(tracks)
    number = 1 if tracks is None else 2
    tag = ["-tag:v", "hvc1"] if _is_for_apple(request) else []
    session.run(
        [
            *inputs,
            # Chapters count from the video's beginning, as after a single pass.
            *("-itsoffset", f"{-info.clock_start_seconds:.6f}"),
            *input_arguments(str(source), info, session.limits.max_pixels),
            *(*maps, "-c", "copy", *tag),
            *("-map_metadata", str(number), "-map_chapters", str(number)),
            *_name_streams(number, info, plan),
            *("-max_muxing_queue_size", "4096", *MUXERS[request.container], plan.filename),
        ],
        readable=readable,
        on_progress=share_of_time(_second_half(session), info.duration_seconds_from_header),
    )


def _name_streams(number: int, info: MediaInfo, plan: EncodePlan) -> list[str]:
    """Return arguments that take every stream's names from the source, which is input ``number``.

    If one is given, FFmpeg copies no others by itself; and an intermediate MP4 does not keep a
    track's title unchanged.
    """
    arguments = [f"-map_metadata:s:v:0={number}:s:{info.video.index}"]
    sources = [int(word[2:]) for flag, word in pairwise(plan.tracks) if flag == "-map"]
    kept = {"a": sources[: plan.audio_tracks], "s": sources[plan.audio_tracks :]}
    arguments += [
        f"-map_metadata:s:{kind}:{place}={number}:s:{index}"
        for kind, indexes in kept.items()
        for place, index in enumerate(indexes)
    ]
    titled = enumerate(info.audio if plan.audio_tracks else ())
    arguments += [
        f"-metadata:s:a:{place}=title={track.title}" for place, track in titled if track.title
    ]
    # The source's video names the encoder that created the source.
    encoder = ["-metadata:s:v:0", f"encoder={plan.encoder}"]
    return [*(word for pair in arguments for word in pair.split("=", 1)), *encoder]


def _second_half(session: FfmpegSession) -> Callable[[float], None]:
    return lambda share: session.on_progress(_VIDEO_SHARE + (1 - _VIDEO_SHARE) * share)


def _is_for_apple(request: RenditionRequest) -> bool:
    return request.codec is VideoCodec.H265 and request.container is Container.MP4
