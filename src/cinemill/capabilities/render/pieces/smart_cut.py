"""Uncut stretches of a clip copied into a piece as they are stored in its film.

That saves time, and keeps the picture as it is. All pieces of a film share one encoder's settings,
or no one track could hold them: so only a film with the same settings can be copied from, as what
this mill has rendered and is now cut again.

What is copied is a stranger's: it is copied and decoded by FFmpeg within its walls, and here only
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
    Film,
    seek_arguments,
    ticks_per_frame,
    trim_start,
)
from cinemill.capabilities.render.pieces.copy_ranges import CopyRange, StoredFrame, find_copy_range
from cinemill.capabilities.render.pieces.join import JoinPiece
from cinemill.capabilities.render.pieces.piece_request import GAP, PieceRequest
from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.arguments import CHUNK_MUXER, CUTTABLE_FORMATS, input_arguments
from cinemill.media.ffmpeg.process import FfmpegReport
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, create_mp4, open_film, read_packets
from cinemill.media.probe.streams import digest_settings

LEAST_SECONDS = 1
"""Less is not worth the commands that it takes."""
_MARGIN_SECONDS = 1
"""So much more is read: to see whether a group ends where the piece does."""
_STORED_NAME = "stored.mp4"
_COPIED_NAME = "copied.mp4"
_PLAIN_UNITS = frozenset({1, 5, 6, 9, 12})
"""Slices, remarks, delimiters and filling (``nal_unit_type``, table 7-1 of ITU-T H.264)."""
_ANEW = 5
"""A slice of a picture that refers to none before it, and lets no later one do so (IDR)."""
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class CopiedRange:
    """A stretch as a part of a piece, and where in it it begins."""

    part: JoinPiece
    first: int
    reports: tuple[FfmpegReport, ...]
    """Of the commands that it took."""


def can_copy(films: Mapping[str, Film], request: PieceRequest) -> bool:
    """Whether the piece shows one film's pictures, each for one frame, and nothing but them."""
    take = request.takes[0]
    is_bare = not (request.insets or take.fades or request.titles.shown or request.lettering.shown)
    if len(request.takes) > 1 or take.sha256 == GAP or not is_bare:
        return False
    info, output = films[take.sha256].info, request.output
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


def copy_range(session: FfmpegSession, film: Film, request: PieceRequest) -> CopiedRange | None:
    """The longest stretch of the request's one take that may be copied, in a file of its own.

    None where none is long enough, or where FFmpeg cannot read or decode it: whoever encodes it
    finds out why. Raises CommandStalled, DiskFull, and whatever ``should_stop`` answers.
    """
    try:
        stored, clock = _store(session, film, request)
        picked = _pick(session.folder, request, clock)
        if picked is None or not _is_clean(stored):
            return None
        part, first = picked
        decoded = _decode(session, part)
    except (CommandFailed, *PacketError):
        return None
    is_whole = decoded.last_progress.frame == part.frames and not decoded.tally.reconfigured
    return CopiedRange(part, first, (stored, decoded)) if is_whole and _is_clean(decoded) else None


def _is_clean(report: FfmpegReport) -> bool:
    tally = report.tally
    return not (tally.decode_errors or tally.corrupt_packets or tally.container_errors)


def _store(
    session: FfmpegSession, film: Film, request: PieceRequest
) -> tuple[FfmpegReport, Fraction]:
    """Copy what is stored around the take; answers also when its first frame is on the copy's
    clock."""
    seek, shift = seek_arguments(film.info, request.takes[0].start)
    seconds = shift + request.frames / request.output.fps + _MARGIN_SECONDS
    report = session.run(
        [
            *("-noaccurate_seek", *seek, "-t", f"{float(seconds):.6f}"),
            *input_arguments(str(film.path), film.info, session.limits.max_pixels),
            *("-map", f"0:{film.info.video.index}", "-c", "copy", "-copypriorss", "1"),
            *("-map_metadata", "-1", "-map_chapters", "-1"),
            *("-avoid_negative_ts", "disabled", *CHUNK_MUXER, _STORED_NAME),
        ],
        readable=[film.path],
        on_progress=lambda _progress: None,
    )
    return report, shift


def _pick(folder: Path, request: PieceRequest, clock: Fraction) -> tuple[JoinPiece, int] | None:
    """The stretch in a file of its own, and the piece's frame that it begins with."""
    fps = request.output.fps
    with open_film(folder / _STORED_NAME) as stored:
        pictures = [
            describe(packet, trim_start(packet.pts * packet.time_base - clock, fps))
            for packet in read_packets(stored)
        ]
    stretch = find_copy_range(pictures, request.frames)
    if stretch is None or stretch.frames < LEAST_SECONDS * fps:
        return None
    numbers = [p.number - stretch.first for p in pictures[stretch.begin : stretch.end]]
    delay = max(place - number for place, number in enumerate(numbers))
    settings = _write(folder, stretch, numbers, delay, fps)
    (folder / _STORED_NAME).unlink()
    return JoinPiece(folder / _COPIED_NAME, stretch.frames, delay, settings), stretch.first


def list_units(packet: bytes) -> list[int]:
    """What a packet of H.264 as MP4 holds (ISO/IEC 14496-15, 5.3.4.2), each unit's
    ``nal_unit_type``; nothing where it cannot be told apart."""
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
    """A picture is plain where nothing with it would hold for later ones, such as the settings of
    another encoder. The decoder begins anew at some key frames only, and only those count: at
    others it goes by what it had seen, which in a render is something else."""
    units = list_units(bytes(packet))
    is_plain = (
        bool(units)
        and _PLAIN_UNITS.issuperset(units)
        and not packet.has_sidedata("new_extradata")  # as where a track has several headers
    )
    return StoredFrame(number, packet.is_keyframe and _ANEW in units, is_plain)


def _write(
    folder: Path, stretch: CopyRange, numbers: Sequence[int], delay: int, fps: Fraction
) -> str:
    """The stretch alone, on the grid of frames; answers its settings."""
    timescale, ticks = ticks_per_frame(fps)
    options = {"video_track_timescale": str(timescale)}
    with (
        open_film(folder / _STORED_NAME) as stored,
        create_mp4(folder / _COPIED_NAME, options) as copy,
    ):
        source = stored.streams.video[0]
        picture = copy.add_stream_from_template(source)
        picture.time_base = Fraction(1, timescale)
        chosen = islice(read_packets(stored), stretch.begin, stretch.end)
        for place, (number, packet) in enumerate(zip(numbers, chosen, strict=True)):
            packet.pts, packet.dts = number * ticks, (place - delay) * ticks
            packet.duration = ticks
            packet.time_base = picture.time_base
            packet.stream = picture
            copy.mux_one(packet)
        return digest_settings(source)


def _decode(session: FfmpegSession, part: JoinPiece) -> FfmpegReport:
    """Decode the copy once: nobody else looks at what is in it."""
    return session.run(
        [
            *("-max_pixels", str(session.limits.max_pixels), "-f", "mov", "-i", part.path.name),
            *("-map", "0:v", "-f", "null", "-"),
        ],
        readable=[],
        on_progress=lambda _progress: None,
    )
