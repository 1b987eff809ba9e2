"""Read a source's metadata with PyAV: headers, some packets, one decoded frame.

Runs inside the sandboxed child (``probe_child``); nothing here trusts a byte of the file.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition

from cinemill.core.media import (
    NO_PICTURE,
    REJECTION_CODES,
    AudioStream,
    MaterialFormat,
    MediaInfo,
    SourceFormat,
    SubtitleStream,
    VideoStream,
)
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.mp4_boxes import read_boxes

RATE_PACKETS = 240
"""How many pictures' times are looked at to tell a variable rate."""
FIRST_FRAME_PACKETS = 600
"""A picture must have come out by then."""
VARIABLE_RATE_RATIO = 1.3
RAGGED_SHARE = 0.03
_REORDERED_PICTURES = 4
_ROUNDING_SECONDS = Fraction(2, 1000)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_RIGHT_ANGLE = 90
_FULL_TURN = 360

_PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_TRANSFERS = {1: "bt709", 6: "smpte170m", 8: "linear", 13: "iec61966-2-1", 14: "bt2020-10"}
_TRANSFERS |= {15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}
_SPACES = {0: "gbr", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc", 10: "bt2020c"}


@dataclass(slots=True)
class _FirstFrame:
    """What some packets and one frame told."""

    frame: Any = None
    times: list[int] = field(default_factory=list)
    """Presentation times of the first pictures, in ticks."""


Format = SourceFormat | MaterialFormat
_Reader = Callable[[Any, Path, Format, Limits, bool], MediaInfo]


def read_media(path: Path, container_format: Format, limits: Limits) -> MediaInfo:
    """The metadata of the film at ``path``.

    Raises MediaRejected with a code of ``core.media.REJECTION_CODES``.
    """
    return _open(path, container_format, limits, _read)


def read_material(path: Path, container_format: Format, limits: Limits) -> MediaInfo:
    """The same of a film, a still, or a file of sound only, with or without a cover."""
    return _open(path, container_format, limits, _read_any)


def _open(path: Path, container_format: Format, limits: Limits, read: _Reader) -> MediaInfo:
    boxes = read_boxes(path)
    try:
        with (
            path.open("rb") as film,
            av.open(
                film,
                format=container_format.value,
                options={
                    "protocol_whitelist": "file",
                    "format_whitelist": container_format.value,
                    "max_pixels": str(limits.max_pixels),
                },
                metadata_errors="replace",
            ) as container,
        ):
            return read(container, path, container_format, limits, boxes.has_edit_list)
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as broken:
        is_cut_off = boxes.is_cut_off and not boxes.has_index
        raise reject("media_truncated" if is_cut_off else "media_unreadable") from broken


def reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)


def _read_any(
    container: Any,
    path: Path,
    container_format: Format,
    limits: Limits,
    has_edit_list: bool,
) -> MediaInfo:
    if any(not _is_cover_art(stream) for stream in container.streams.video):
        return _read(container, path, container_format, limits, has_edit_list)
    sound = tuple(_describe_sound(stream) for stream in _decodable(container.streams.audio))
    duration_seconds = _container_seconds(container)
    if not sound:
        raise reject("media_no_sound")
    if duration_seconds > limits.max_duration_seconds:
        raise reject("media_too_long")
    size_bytes, start_seconds = path.stat().st_size, (container.start_time or 0) / av.time_base
    return MediaInfo(
        format=container_format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=start_seconds,
        bitrate_bps=_bitrate(container, size_bytes, duration_seconds),
        video=NO_PICTURE,
        audio=sound,
        has_edit_list=has_edit_list,
        clock_start_seconds=start_seconds,
    )


def _read(
    container: Any,
    path: Path,
    container_format: Format,
    limits: Limits,
    has_edit_list: bool,
) -> MediaInfo:
    streams = list(container.streams)
    if len(streams) > limits.max_streams:
        raise reject("media_too_many_streams")
    picture = _choose_picture(container.streams.video)
    _check_size(picture, limits)
    duration_seconds = _container_seconds(container)
    if max(duration_seconds, _stream_seconds(container, picture)) > limits.max_duration_seconds:
        raise reject("media_too_long")
    look = _look(container, picture)
    _check_frame(look.frame, limits)
    sound = tuple(_describe_sound(stream) for stream in _decodable(container.streams.audio))
    video, warnings = _describe_picture(container, picture, look)
    size_bytes = path.stat().st_size
    return MediaInfo(
        format=container_format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=_start_seconds(container, picture, look),
        bitrate_bps=_bitrate(container, size_bytes, duration_seconds),
        video=video,
        audio=sound,
        has_edit_list=has_edit_list,
        other_streams=len(streams) - 1 - len(sound),
        warnings=tuple(warnings),
        clock_start_seconds=(container.start_time or 0) / av.time_base,
        subtitles=tuple(_describe_subtitle(stream) for stream in container.streams.subtitles),
    )


def _choose_picture(streams: Iterable[Any]) -> Any:
    """The default picture stream, else the first. A cover image is no film."""
    films = [stream for stream in streams if not _is_cover_art(stream)]
    if not films:
        raise reject("media_no_video")
    decodable = [stream for stream in films if _has_decoder(stream)]
    if not decodable:
        raise reject("media_codec_unsupported")
    chosen = [stream for stream in decodable if stream.disposition & Disposition.default]
    return (chosen or decodable)[0]


def _is_cover_art(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None and bool(stream.codec_context.is_decoder)


def _decodable(streams: Iterable[Any]) -> list[Any]:
    return [
        stream
        for stream in streams
        if _has_decoder(stream) and stream.codec_context.sample_rate and stream.channels
    ]


def _check_size(picture: Any, limits: Limits) -> None:
    if picture.width * picture.height > limits.max_pixels:
        raise reject("media_too_many_pixels")


def _check_frame(frame: Any, limits: Limits) -> None:
    if frame is None:
        raise reject("media_damaged")
    if frame.width * frame.height > limits.max_pixels:
        raise reject("media_too_many_pixels")


def _look(container: Any, picture: Any) -> _FirstFrame:
    """Demux until a picture has come out and enough times are known, or the file ends."""
    picture.codec_context.thread_count = 1
    look = _FirstFrame()
    for count, packet in enumerate(container.demux(picture)):
        if packet.pts is not None:
            look.times.append(packet.pts)
        if look.frame is None:
            look.frame = _decode_one(packet)
        if count >= FIRST_FRAME_PACKETS or (look.frame is not None and count >= RATE_PACKETS):
            break
    return look


def _decode_one(packet: Any) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except av.InvalidDataError:
        return None  # the next key frame may do; preparing counts such errors


def _describe_picture(
    container: Any, picture: Any, look: _FirstFrame
) -> tuple[VideoStream, list[str]]:
    frame, codec = look.frame, picture.codec_context
    rotation, warnings = _rotation(frame.rotation)
    display = _display_size(frame.width, frame.height, codec.sample_aspect_ratio, rotation)
    fps = picture.average_rate or picture.guessed_rate or Fraction(0)
    return (
        VideoStream(
            index=picture.index,
            codec=codec.codec.canonical_name,
            width=frame.width,
            height=frame.height,
            display_width=display[0],
            display_height=display[1],
            fps=fps,
            is_variable_rate=_is_variable(look.times, fps, picture.time_base),
            rotation_degrees=rotation,
            pixel_format=frame.format.name,
            bit_depth=max(part.bits for part in frame.format.components),
            is_interlaced=bool(frame.interlaced_frame),
            color_primaries=_PRIMARIES.get(int(frame.color_primaries), "unknown"),
            color_transfer=_TRANSFERS.get(int(frame.color_trc), "unknown"),
            color_space=_SPACES.get(int(frame.colorspace), "unknown"),
            hdr=_hdr(frame),
            frames_from_header=max(0, picture.frames),
            duration_seconds_from_header=_stream_seconds(container, picture),
            settings=digest_settings(picture) if _is_shown_as_stored(frame) else "",
        ),
        warnings,
    )


def _is_shown_as_stored(frame: Any) -> bool:
    """Neither turned nor mirrored."""
    return SideData.DISPLAYMATRIX not in {data.type for data in frame.side_data}


def digest_settings(picture: Any) -> str:
    """Names the codec's private data (FFmpeg's ``extradata``) of a stream."""
    return hashlib.sha256(picture.codec_context.extradata or b"").hexdigest()[:16]


def _rotation(counterclockwise: float) -> tuple[int, list[str]]:
    """Clockwise and to a right angle: FFmpeg turns by nothing else without blank corners."""
    clockwise = -counterclockwise % _FULL_TURN
    turned = round(clockwise / _RIGHT_ANGLE) * _RIGHT_ANGLE % _FULL_TURN
    skewed = turned != round(clockwise) % _FULL_TURN
    return turned, [f"rotation of {clockwise:g} degrees shown as {turned}"] if skewed else []


def _display_size(
    width: int, height: int, sample_aspect: Fraction | None, rotation: int
) -> tuple[int, int]:
    """After sample aspect ratio and rotation. An absurd ratio is taken as square."""
    aspect = sample_aspect or Fraction(1)
    if not Fraction(1, 20) <= aspect <= 20:
        aspect = Fraction(1)
    shown_width = max(1, round(width * aspect))
    return (height, shown_width) if rotation % 180 else (shown_width, height)


def _is_variable(times: list[int], fps: Fraction, time_base: Fraction) -> bool:
    """Whether steps between pictures differ, more than a hole or two would make them."""
    # The last times are incomplete: pictures that come before them may not have been read yet.
    ordered = sorted(set(times))[:-_REORDERED_PICTURES]
    steps = [after - before for before, after in itertools.pairwise(ordered)]
    if len(steps) < 2:
        return False
    middle = statistics.median(steps)
    ragged = sum(
        not 1 / VARIABLE_RATE_RATIO < step / middle < VARIABLE_RATE_RATIO
        for step in steps
        if abs(step - middle) * time_base > _ROUNDING_SECONDS
    )
    if ragged > max(2, len(steps) * RAGGED_SHARE):
        return True
    typical = 1 / (Fraction(middle) * time_base)
    return bool(fps) and not Fraction(2, 3) < typical / fps < Fraction(3, 2)


def _hdr(frame: Any) -> str:
    transfer = _TRANSFERS.get(int(frame.color_trc))
    if transfer == "arib-std-b67":
        return "hlg"
    if transfer != "smpte2084":
        return ""
    kinds = {SideData.MASTERING_DISPLAY_METADATA, SideData.CONTENT_LIGHT_LEVEL}
    return "hdr10" if any(side.type in kinds for side in frame.side_data) else "pq"


def _describe_sound(stream: Any) -> AudioStream:
    return AudioStream(
        index=stream.index,
        codec=stream.codec_context.name,
        channels=stream.channels,
        sample_rate_hz=stream.codec_context.sample_rate,
        language=_read_language(stream),
        is_default=bool(stream.disposition & Disposition.default),
    )


def _describe_subtitle(stream: Any) -> SubtitleStream:
    codec = stream.codec_context
    return SubtitleStream(
        index=stream.index,
        codec=codec.codec.canonical_name if codec is not None else "unknown",
        language=_read_language(stream),
        is_default=bool(stream.disposition & Disposition.default),
    )


def _read_language(stream: Any) -> str:
    """As the file says where that may be a language (RFC 5646), else ``und``: it is written into
    playlists and manifests, and a file may say anything."""
    return said if _LANGUAGE.fullmatch(said := stream.language or "") else "und"


def _container_seconds(container: Any) -> float:
    return _without_start(container, max(0.0, (container.duration or 0) / av.time_base))


def _without_start(container: Any, seconds: float) -> float:
    """Matroska tells when a film ends, on a clock that need not begin at zero."""
    start_seconds = max(0.0, (container.start_time or 0) / av.time_base)
    is_end = container.format.name.startswith(SourceFormat.MATROSKA) and seconds > start_seconds
    return seconds - start_seconds if is_end else seconds


def _stream_seconds(container: Any, stream: Any) -> float:
    """As the stream's own header says, from the film's start on; Matroska keeps it in a tag."""
    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    clock = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in clock)
    except ValueError:
        return 0.0
    return _without_start(container, max(0.0, hours * 3600 + minutes * 60 + seconds))


def _start_seconds(container: Any, picture: Any, look: _FirstFrame) -> float:
    """When the first picture is shown, on the container's own clock."""
    ticks = look.frame.pts if look.frame.pts is not None else picture.start_time
    return float((ticks or 0) * picture.time_base)


def _bitrate(container: Any, size_bytes: int, duration_seconds: float) -> int:
    if container.bit_rate:
        return int(container.bit_rate)
    return int(size_bytes * 8 / duration_seconds) if duration_seconds else 0
