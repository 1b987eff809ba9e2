"""Unchanged ranges of a clip copied into a piece as they are stored in its video.

That saves time and keeps the frames as they are. All pieces of an output share one encoder's
settings, since one track must hold them: so only a video with the same settings can be copied from,
such as one that Cinemill rendered and that is now cut again.

Stored frames are untrusted: FFmpeg copies and decodes them in its sandbox, and here they are only
counted and moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.pieces.clip_filters import (
    StoredVideo,
    seek_arguments,
    ticks_per_frame,
    trim_start,
)
from cinemill.capabilities.render.pieces.copy_ranges import CopyRange, StoredFrame, find_copy_range
from cinemill.capabilities.render.pieces.join import JoinPiece
from cinemill.capabilities.render.pieces.piece_request import GAP, PieceRequest
from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.arguments import CHUNK_MUXER, CUTTABLE_FORMATS, input_arguments
from cinemill.media.ffmpeg.process import FfmpegCrashed, FfmpegReport
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, create_mp4, open_film, read_packets
from cinemill.media.probe.streams import digest_settings

LEAST_SECONDS = 1
"""A shorter range is not worth the commands that it takes."""
_MARGIN_SECONDS = 1
"""How much more is read, to see whether a GOP ends where the piece does."""
_STORED_NAME = "stored.mp4"
_COPIED_NAME = "copied.mp4"
_PLAIN_UNITS = frozenset({1, 5, 6, 9, 12})
"""Slices, SEI, delimiters and filler (``nal_unit_type``, table 7-1 of ITU-T H.264)."""
_IDR = 5
"""A slice of a frame that no later frame refers past (IDR)."""
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class CopiedRange:
    """A copied range as a part of a piece, and the piece's frame at which it begins."""

    part: JoinPiece
    first: int
    reports: tuple[FfmpegReport, ...]
    """Of the commands that copied and decoded it."""


def can_copy(videos: Mapping[str, StoredVideo], request: PieceRequest) -> bool:
    """Return whether the piece shows the frames of one video, each once, and nothing else."""
    take = request.takes[0]
    is_bare = not (request.insets or take.fades or request.titles.shown or request.lettering.shown)
    if len(request.takes) > 1 or take.sha256 == GAP or not is_bare:
        return False
    info, output = videos[take.sha256].info, request.output
    video = info.video
    sizes = {(video.width, video.height), (video.display_width, video.display_height)}
    return (
        info.format in CUTTABLE_FORMATS
        and not info.has_edit_list
        and video.settings != ""
        and video.codec == "h264"
        and sizes == {(output.width, output.height)}
        and video.fps == output.fps
        and not (video.is_variable_rate or video.is_interlaced or video.hdr)
        and video.rotation_degrees == 0
        and request.frames >= LEAST_SECONDS * output.fps
    )


def copy_range(
    session: FfmpegSession, video: StoredVideo, request: PieceRequest
) -> CopiedRange | None:
    """Copy the longest possible range of the request's one clip span into a file of its own.

    Returns None if none is long enough, or if FFmpeg cannot read or decode it: encoding then
    reports why. Raises CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    try:
        stored, clock = _extract_packets(session, video, request)
        picked = _select_range(session.folder, request, clock)
        if picked is None or not _is_clean(stored):
            return None
        part, first = picked
        decoded = _decode(session, part)
    except (CommandFailed, FfmpegCrashed, *PacketError):
        return None
    is_whole = decoded.last_progress.frame == part.frames and not decoded.tally.reconfigured
    return CopiedRange(part, first, (stored, decoded)) if is_whole and _is_clean(decoded) else None


def _is_clean(report: FfmpegReport) -> bool:
    tally = report.tally
    return not (tally.decode_errors or tally.corrupt_packets or tally.container_errors)


def _extract_packets(
    session: FfmpegSession, video: StoredVideo, request: PieceRequest
) -> tuple[FfmpegReport, Fraction]:
    """Copy the packets around the span; also return the time of its first frame there."""
    seek, shift = seek_arguments(video.info, request.takes[0].start)
    seconds = shift + request.frames / request.output.fps + _MARGIN_SECONDS
    report = session.run(
        [
            *("-noaccurate_seek", *seek, "-t", f"{float(seconds):.6f}"),
            *input_arguments(str(video.path), video.info, session.limits.max_pixels),
            *("-map", f"0:{video.info.video.index}", "-c", "copy", "-copypriorss", "1"),
            *("-map_metadata", "-1", "-map_chapters", "-1"),
            *("-avoid_negative_ts", "disabled", *CHUNK_MUXER, _STORED_NAME),
        ],
        readable=[video.path],
        on_progress=lambda _progress: None,
    )
    return report, shift


def _select_range(
    folder: Path, request: PieceRequest, clock: Fraction
) -> tuple[JoinPiece, int] | None:
    """Write the range to a file of its own; also return the piece's frame at which it begins."""
    fps = request.output.fps
    with open_film(folder / _STORED_NAME) as stored:
        frames = [
            describe(packet, trim_start(packet.pts * packet.time_base - clock, fps))
            for packet in read_packets(stored)
        ]
    copied = find_copy_range(frames, request.frames)
    if copied is None or copied.frames < LEAST_SECONDS * fps:
        return None
    numbers = [p.number - copied.first for p in frames[copied.begin : copied.end]]
    delay = max(place - number for place, number in enumerate(numbers))
    settings = _write(folder, copied, numbers, delay, fps)
    (folder / _STORED_NAME).unlink()
    return JoinPiece(folder / _COPIED_NAME, copied.frames, delay, settings), copied.first


def list_units(packet: bytes) -> list[int]:
    """Return the ``nal_unit_type`` of each unit in an H.264 packet of an MP4.

    Returns an empty list if the packet cannot be parsed (ISO/IEC 14496-15, 5.3.4.2).
    """
    units, place = [], 0
    while place < len(packet):
        begin = place + _LENGTH_BYTES
        end = begin + int.from_bytes(packet[place:begin])
        if not begin < end <= len(packet):
            return []
        units.append(packet[begin] & 0x1F)
        place = end
    return units


def describe(packet: Any, number: int) -> StoredFrame:
    """Return what a stored frame is.

    It is plain if nothing in its packet applies to later frames, such as settings of another
    encoder. Only IDR frames count as key frames: at others a decoder still refers to earlier
    frames, which are different ones in a render.
    """
    units = list_units(bytes(packet))
    is_plain = (
        bool(units)
        and _PLAIN_UNITS.issuperset(units)
        and not packet.has_sidedata("new_extradata")  # such as where a track has several headers
    )
    return StoredFrame(number, packet.is_keyframe and _IDR in units, is_plain)


def _write(
    folder: Path, copied: CopyRange, numbers: Sequence[int], delay: int, fps: Fraction
) -> str:
    """Write the range alone, aligned to the frame grid; return its settings."""
    timescale, ticks = ticks_per_frame(fps)
    options = {"video_track_timescale": str(timescale)}
    with (
        open_film(folder / _STORED_NAME) as stored,
        create_mp4(folder / _COPIED_NAME, options) as copy,
    ):
        source = stored.streams.video[0]
        track = copy.add_stream_from_template(source)
        track.time_base = Fraction(1, timescale)
        chosen = islice(read_packets(stored), copied.begin, copied.end)
        for place, (number, packet) in enumerate(zip(numbers, chosen, strict=True)):
            packet.pts, packet.dts = number * ticks, (place - delay) * ticks
            packet.duration = ticks
            packet.time_base = track.time_base
            packet.stream = track
            copy.mux_one(packet)
        return digest_settings(source)


def _decode(session: FfmpegSession, part: JoinPiece) -> FfmpegReport:
    """Decode the copy once: nothing else checks its content."""
    return session.run(
        [
            *("-max_pixels", str(session.limits.max_pixels), "-f", "mov", "-i", part.path.name),
            *("-map", "0:v", "-f", "null", "-"),
        ],
        readable=[],
        on_progress=lambda _progress: None,
    )
