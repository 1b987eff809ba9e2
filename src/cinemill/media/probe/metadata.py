"""Metadata of a source, read with PyAV: headers, some packets, one decoded frame.

Runs inside the sandboxed child (``media.probe.child``); no byte of the file is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from cinemill.core.media import (
    NO_PICTURE,
    REJECTION_CODES,
    MaterialFormat,
    MediaInfo,
    SourceFormat,
)
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.durations import (
    bitrate_bps,
    container_seconds,
    start_seconds_of,
    stream_seconds,
)
from cinemill.media.probe.mp4_boxes import read_boxes
from cinemill.media.probe.streams import (
    FirstFrame,
    describe_audio,
    describe_subtitles,
    describe_video,
    has_decoder,
    is_cover_art,
    list_decodable_audio,
)

RATE_PACKETS = 240
"""Number of frames whose timestamps are examined to detect a variable rate."""
FIRST_FRAME_PACKETS = 600
"""A frame must have been decoded by then."""
Format = SourceFormat | MaterialFormat
_Reader = Callable[[Any, Path, Format, Limits, bool], MediaInfo]


def read_media(path: Path, container_format: Format, limits: Limits) -> MediaInfo:
    """Return the metadata of the video at ``path``.

    Raises MediaRejected with a code of ``core.media.REJECTION_CODES``.
    """
    return _open(path, container_format, limits, _read)


def read_material(path: Path, container_format: Format, limits: Limits) -> MediaInfo:
    """Return the metadata of a video, a still, or an audio file with or without cover art.

    Raises as :func:`read_media` does.
    """
    return _open(path, container_format, limits, _read_any)


def _open(path: Path, container_format: Format, limits: Limits, read: _Reader) -> MediaInfo:
    boxes = read_boxes(path)
    try:
        with (
            path.open("rb") as file,
            av.open(
                file,
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
    if any(not is_cover_art(stream) for stream in container.streams.video):
        return _read(container, path, container_format, limits, has_edit_list)
    audio = tuple(
        describe_audio(stream) for stream in list_decodable_audio(container.streams.audio)
    )
    duration_seconds = container_seconds(container)
    if not audio:
        raise reject("media_no_sound")
    if duration_seconds > limits.max_duration_seconds:
        raise reject("media_too_long")
    size_bytes, start_seconds = path.stat().st_size, (container.start_time or 0) / av.time_base
    return MediaInfo(
        format=container_format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=start_seconds,
        bitrate_bps=bitrate_bps(container, size_bytes, duration_seconds),
        video=NO_PICTURE,
        audio=audio,
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
    stream = choose_video(container.streams.video)
    _check_size(stream, limits)
    duration_seconds = container_seconds(container)
    if max(duration_seconds, stream_seconds(container, stream)) > limits.max_duration_seconds:
        raise reject("media_too_long")
    first = _decode_first_frame(container, stream)
    _check_frame(first.frame, limits)
    audio = tuple(
        describe_audio(stream) for stream in list_decodable_audio(container.streams.audio)
    )
    video, warnings = describe_video(container, stream, first)
    size_bytes = path.stat().st_size
    return MediaInfo(
        format=container_format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=start_seconds_of(stream, first.frame),
        bitrate_bps=bitrate_bps(container, size_bytes, duration_seconds),
        video=video,
        audio=audio,
        has_edit_list=has_edit_list,
        other_streams=len(streams) - 1 - len(audio),
        warnings=tuple(warnings),
        clock_start_seconds=(container.start_time or 0) / av.time_base,
        subtitles=tuple(describe_subtitles(stream) for stream in container.streams.subtitles),
    )


def choose_video(streams: Iterable[Any]) -> Any:
    """Return the default video stream, else the first. Cover art is no video."""
    videos = [stream for stream in streams if not is_cover_art(stream)]
    if not videos:
        raise reject("media_no_video")
    decodable = [stream for stream in videos if has_decoder(stream)]
    if not decodable:
        raise reject("media_codec_unsupported")
    chosen = [stream for stream in decodable if stream.disposition & Disposition.default]
    return (chosen or decodable)[0]


def _check_size(stream: Any, limits: Limits) -> None:
    if stream.width * stream.height > limits.max_pixels:
        raise reject("media_too_many_pixels")


def _check_frame(frame: Any, limits: Limits) -> None:
    if frame is None:
        raise reject("media_damaged")
    if frame.width * frame.height > limits.max_pixels:
        raise reject("media_too_many_pixels")


def _decode_first_frame(container: Any, stream: Any) -> FirstFrame:
    """Demux until a frame was decoded and enough timestamps are known, or the file ends."""
    stream.codec_context.thread_count = 1
    first = FirstFrame()
    for count, packet in enumerate(container.demux(stream)):
        if packet.pts is not None:
            first.times.append(packet.pts)
        if first.frame is None:
            first.frame = _decode_one(packet)
        if count >= FIRST_FRAME_PACKETS or (first.frame is not None and count >= RATE_PACKETS):
            break
    return first


def _decode_one(packet: Any) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except av.InvalidDataError:
        return None  # the next key frame may decode; preparing counts such errors
