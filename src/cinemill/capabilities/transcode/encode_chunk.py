"""One chunk of a video, encoded as the whole video's encoder would encode its frames.

Frames keep the video's own clock: a chunk that begins at 300 s has that time in its file too. So
every chunk rounds times as a single pass would, and no errors accumulate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.transcode.chunks import Chunk, KeyframeMark
from cinemill.core.encoding.rendition import Container, RenditionRequest
from cinemill.core.media import MediaInfo
from cinemill.errors import OutputInvalid
from cinemill.media.encoding.audio_plan import (
    can_join,
    encoded_choice,
    hear_copied_audio,
    plan_audio,
)
from cinemill.media.encoding.encode import can_encode_audio
from cinemill.media.encoding.encode_plan import EncodePlan
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.arguments import (
    CHUNK_MUXER,
    CUTTABLE_FORMATS,
    deinterlace,
    input_arguments,
    keep_clock,
)
from cinemill.media.ffmpeg.containers import MUXERS
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import FfmpegProgress, LogSummary, share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, open_mp4
from cinemill.media.probe.streams import digest_settings
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import Decoded, is_short

INDEX_NAME = "pictures.txt"
CHUNK_NAME = "chunk.mp4"
CHUNK_FORMAT = "mov"
MICROSECOND = Fraction(1, 1_000_000)
_TIME_BASE = re.compile(r"^#tb 0: (\d+)/(\d+)$")
_DISCARD = 0x4
"""AV_PKT_FLAG_DISCARD: decoded, and not shown (FFmpeg's packet.h)."""
_KEY = 0x1


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Every stored frame of a video, none decoded."""

    time_base: Fraction
    """Seconds in a tick."""
    marks: tuple[KeyframeMark, ...]


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    path: Path
    frames: int
    delay: int
    """Largest number of places by which a frame is shown later than it is stored."""
    settings: str
    """Encoder settings that chunks must share to be joined."""
    cpu_seconds: float
    is_damaged: bool
    """Whether the decoder gave up on something."""


@dataclass(frozen=True, slots=True)
class TracksOutcome:
    """Audio and subtitles in the private folder."""

    path: Path
    changes: tuple[str, ...]
    """What became of the audio, in words."""


def can_cut(info: MediaInfo, request: RenditionRequest) -> bool:
    """Check whether frames have distinct timestamps, and are encoded with the ones they had."""
    return info.format in CUTTABLE_FORMATS and request.fps is None


def index_frames(session: FfmpegSession, source: Path, info: MediaInfo) -> FrameIndex | None:
    """Read the video without decoding and return its index.

    Returns None if a frame has no timestamp, or if something cannot be read or the video is shorter
    than its header states: encoding it whole then finds the cause.

    Raises CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    report = session.run(
        [
            *("-copyts", *input_arguments(str(source), info, session.limits.max_pixels)),
            *("-map", f"0:{info.video.index}", "-c", "copy", "-copyinkf"),
            *("-f", "framecrc", INDEX_NAME),
        ],
        readable=[source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
    )
    path = session.folder / INDEX_NAME
    with path.open() as lines:
        index = read_index(lines)
    path.unlink()
    return index if index is not None and _is_whole(info, index, report.tally) else None


def _is_whole(info: MediaInfo, index: FrameIndex, tally: LogSummary) -> bool:
    times = [mark.pts for mark in index.marks]
    seconds = float((max(times) - min(times)) * index.time_base)
    shown = Decoded(len(times), seconds * len(times) / max(1, len(times) - 1))
    is_damaged = tally.ended_early or tally.container_errors or tally.corrupt_packets
    return not is_damaged and not is_short(info, shown)


def read_index(lines: Iterator[str]) -> FrameIndex | None:
    """Parse the output of ``-f framecrc`` for one stream (FFmpeg's framecrcenc.c).

    Returns None if a frame has no timestamp, or is not to be shown.
    """
    time_base, marks = Fraction(0), []
    for line in lines:
        if found := _TIME_BASE.match(line.strip()):
            time_base = Fraction(int(found[1]), int(found[2]))
        if line.startswith("#"):
            continue
        _, dts, pts, _, _, _, *more = (part.strip() for part in line.split(","))
        flags = int(more[0].removeprefix("F="), 16) if more and more[0][:2] == "F=" else _KEY
        if "NOPTS" in (dts, pts) or flags & _DISCARD:
            return None
        marks.append(KeyframeMark(int(pts), int(dts), bool(flags & _KEY)))
    return FrameIndex(time_base, tuple(marks)) if time_base and marks else None


def encode_chunk(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    plan: EncodePlan,
    chunk: Chunk,
    *,
    time_base: Fraction,
    threads: int,
) -> ChunkOutcome:
    """Encode the chunk's frames with this many threads.

    Raises OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop``
    returns.
    """

    def report_share(progress: FfmpegProgress) -> None:
        session.on_progress(min(1.0, progress.frame / max(1, chunk.frames)))

    report = session.run(
        [
            *("-copyts", *_seek_arguments(chunk, time_base)),
            *("-filter_threads", str(threads), "-threads", str(threads)),
            *input_arguments(str(source), info, session.limits.max_pixels),
            *("-map", f"0:{info.video.index}"),
            *("-vf", ",".join(_chunk_filters(info, plan, chunk, time_base))),
            *(*plan.video_arguments, "-threads", str(threads)),
            *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
            # Its first decoding timestamps may be negative; they are rewritten when chunks are
            # joined.
            *("-avoid_negative_ts", "disabled", *CHUNK_MUXER, CHUNK_NAME),
        ],
        readable=[source],
        on_progress=report_share,
    )
    path = session.folder / CHUNK_NAME
    tally = report.tally
    times, settings = _inspect(path)
    return ChunkOutcome(
        path,
        len(times),
        _count_delay(times),
        settings,
        tally.cpu_seconds,
        is_damaged=_is_damaged(tally),
    )


def _is_damaged(tally: LogSummary) -> bool:
    """Check whether something could not be read or decoded.

    A codec's complaints about frames before the first key frame are ignored: the chunk's own frames
    are counted.
    """
    return bool(tally.decode_errors or tally.corrupt_packets or tally.container_errors)


def _seek_arguments(chunk: Chunk, time_base: Fraction) -> list[str]:
    if chunk.enter_pts is None:
        return []
    seconds = float(chunk.enter_pts * time_base)
    # Keep all frames from the key frame on; FFmpeg would round when it drops some.
    return ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{seconds:.6f}"]


def _chunk_filters(
    info: MediaInfo, plan: EncodePlan, chunk: Chunk, time_base: Fraction
) -> list[str]:
    """Return the plan's filters for the chunk's frames alone, on the clock of a single pass."""
    bounds = []
    if chunk.first_pts is not None:
        bounds.append(f"start_pts={chunk.first_pts}")
    if chunk.end_pts is not None:
        bounds.append(f"end_pts={chunk.end_pts}")
    select = [f"trim={':'.join(bounds)}"] if bounds else []
    clock = [f"setpts=PTS-({clock_start(info, time_base)})"]
    if info.video.is_interlaced:
        # The deinterlacer uses the frames before and after, and halves ticks. Before it, the plan
        # only states the colors.
        weave_count = 1 + len(deinterlace(info))
        weave, rest = plan.filters[:weave_count], plan.filters[weave_count:]
        return [*weave, f"settb={time_base}", *select, *clock, *rest]
    return [*select, *clock, *plan.filters]


def clock_start(info: MediaInfo, time_base: Fraction) -> int:
    """Return what FFmpeg subtracts from every timestamp when it reads from the start, in ticks.

    FFmpeg keeps it in microseconds.
    """
    microseconds = round(Fraction(info.clock_start_seconds) / MICROSECOND)
    ticks = microseconds * MICROSECOND / time_base
    return int(ticks + Fraction(1, 2)) if ticks >= 0 else -int(-ticks + Fraction(1, 2))


def _inspect(path: Path) -> tuple[list[int], str]:
    """Return presentation times in storage order, and encoder settings. Raises OutputInvalid."""
    try:
        with open_mp4(path) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.pts is not None]
            if packets and not packets[0].is_keyframe:
                raise OutputInvalid("A chunk does not begin with a key frame.")
            return [packet.pts or 0 for packet in packets], digest_settings(stream)
    except PacketError as broken:
        raise OutputInvalid(f"A chunk cannot be read back: {broken}") from broken


def _count_delay(times: Sequence[int]) -> int:
    """Return by how many places, at least, frames must be shown later than they are stored.

    No frame is then shown before it is decoded.
    """
    places = {time: place for place, time in enumerate(sorted(times))}
    return max((number - places[time] for number, time in enumerate(times)), default=0)


def encode_tracks(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    plan: EncodePlan,
    request: RenditionRequest,
) -> TracksOutcome:
    """Encode audio and subtitles of the whole video in one piece, without its video stream.

    Audio that the container does not take as it is, is encoded where nobody asked for a copy.

    Raises MediaRejected (``media_damaged``), CommandFailed, CommandStalled, DiskFull, and whatever
    ``should_stop`` returns.
    """
    if not plan.audio_tracks:
        info = replace(info, audio=())
    texts = plan.tracks[len(plan_audio(info, request)[0]) :]

    def encode(steady: MediaInfo) -> TracksOutcome:
        audio, changes = plan_audio(steady, request)
        heard = hear_copied_audio(steady, request)
        path = _encode_tracks(
            session, source, steady, (*audio, *texts), heard, container=request.container
        )
        return TracksOutcome(path, tuple(changes))

    try:
        return with_steady_audio(session, source, info, encode, joins=can_join(request))
    except FfmpegFailed as failed:
        if not can_encode_audio(info, request, failed):
            raise
    encoded = request.model_copy(update={"sound": encoded_choice(request.container)})
    return encode_tracks(session, source, info, plan, encoded)


def _encode_tracks(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    tracks: Sequence[str],
    heard: Sequence[str],
    *,
    container: Container,
) -> Path:
    name = f"tracks.{container.value}"
    report = session.run(
        [
            *input_arguments(str(source), info, session.limits.max_pixels),
            *keep_clock(info),
            *("-vn", *tracks),
            *("-map_metadata", "0", "-map_chapters", "0", "-max_muxing_queue_size", "4096"),
            *(*MUXERS[container], name, *heard),
        ],
        readable=[source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
    )
    if _is_damaged(report.tally):
        raise reject_media("media_damaged")
    return session.folder / name
