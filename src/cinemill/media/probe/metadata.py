"""Metadata of a source, read with PyAV: headers, some packets, one decoded frame.

Runs inside the sandboxed child (``media.probe.child``); no byte of the file is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.codec import codecs_available

from cinemill.core.media import (
    ANIMATIONS,
    NO_PICTURE,
    UNDECLARED_SOUNDS,
    MaterialFormat,
    MediaInfo,
    Scan,
    SourceFormat,
)
from cinemill.core.sizes import NO_CROP, Crop
from cinemill.core.timing import LastFrame
from cinemill.core.tracks.choice import choose_video_track, is_cover_of_sound
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.bounded_file import BoundedFile
from cinemill.media.probe.durations import (
    Measured,
    bitrate_bps,
    container_seconds,
    measure,
    start_seconds_of,
    stream_seconds,
)
from cinemill.media.probe.fields import sample_scan
from cinemill.media.probe.heads.sounds import read_declared_sound
from cinemill.media.probe.last_frame import find_shown_last
from cinemill.media.probe.matroska import read_crops
from cinemill.media.probe.mp4_boxes import BoxFacts, read_boxes
from cinemill.media.probe.streams import (
    FirstFrame,
    describe_audio,
    describe_left_out,
    describe_other_programs,
    describe_subtitles,
    describe_video,
    describe_video_track,
    has_decoder,
    is_cover_art,
    list_decodable_audio,
    list_program_audio,
)
from cinemill.media.rejections import reject_media

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that return the transparency of a WebM; FFmpeg's own drop it."""
RATE_PACKETS = 240
"""Number of frames whose timestamps are examined to detect a variable rate."""
FIRST_FRAME_PACKETS = 600
"""A frame must have been decoded by then."""
SOUND_PACKETS = 200
"""Some audio must have been decoded by then."""
Format = SourceFormat | MaterialFormat


@dataclass(frozen=True, slots=True)
class _Source:
    """An untrusted file that is being read."""

    path: Path
    format: Format
    limits: Limits
    boxes: BoxFacts
    file: BoundedFile


def read_media(path: Path, container_format: Format, limits: Limits) -> MediaInfo:
    """Return the metadata of a video, a still, or audio with or without cover art.

    Raises MediaRejected with a code of ``media.rejections.REJECTION_CODES``.
    """
    boxes = read_boxes(path)
    try:
        with (
            path.open("rb") as opened,
            av.open(
                file := BoundedFile(opened),
                format=container_format.value,
                options={
                    "protocol_whitelist": "file",
                    "format_whitelist": container_format.value,
                    "max_pixels": str(limits.max_pixels),
                },
                metadata_errors="replace",
            ) as container,
        ):
            return _read(container, _Source(path, container_format, limits, boxes, file))
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as broken:
        is_cut_off = boxes.is_cut_off and not boxes.has_index
        raise reject("media_truncated" if is_cut_off else "media_unreadable") from broken


def reject(code: str) -> MediaRejected:
    return reject_media(code)


def _read(container: Any, source: _Source) -> MediaInfo:
    if len(container.streams) > source.limits.max_streams:
        raise reject("media_too_many_streams")
    return (_read_film if _has_film(container) else _read_sound)(container, source)


def _has_film(container: Any) -> bool:
    """Check whether a video track is more than a cover of the sound."""
    pictures = [stream for stream in container.streams.video if not is_cover_art(stream)]
    if not list_decodable_audio(container.streams.audio):
        return bool(pictures)
    seconds = container_seconds(container)
    return not all(
        has_decoder(stream) and is_cover_of_sound(describe_video_track(stream), seconds)
        for stream in pictures
    )


def _read_sound(container: Any, source: _Source) -> MediaInfo:
    decodable = list_decodable_audio(container.streams.audio)
    if not decodable:
        raise reject(_find_sound_fault(container))
    duration_seconds = container_seconds(container)
    start_seconds = (container.start_time or 0) / av.time_base
    _check_decodable(container, decodable[0])
    if source.format in UNDECLARED_SOUNDS or not duration_seconds:
        declared = read_declared_sound(source.path)
        measured = measure(container, decodable[0]).seconds
        duration_seconds = max(0.0, max(measured, declared.seconds) - declared.hidden_seconds)
    # Where nothing is declared, FFmpeg guesses by the bitrate of the first frame.
    _check_length(duration_seconds, source.limits)
    size_bytes = source.path.stat().st_size
    return MediaInfo(
        format=source.format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=start_seconds,
        bitrate_bps=bitrate_bps(container, size_bytes, duration_seconds),
        video=NO_PICTURE,
        audio=tuple(describe_audio(stream) for stream in decodable),
        has_edit_list=source.boxes.has_edit_list,
        other_streams=len(container.streams) - len(decodable),
        warnings=tuple(describe_left_out(container.streams.audio)),
        clock_start_seconds=start_seconds,
        subtitles=tuple(describe_subtitles(stream) for stream in container.streams.subtitles),
    )


def _find_sound_fault(container: Any) -> str:
    """Return the code of why nothing of a file's audio can be decoded."""
    if not container.streams.audio:
        return "media_no_streams"
    left_out = describe_left_out(container.streams.audio)
    return "media_too_many_channels" if left_out else "media_codec_unsupported"


def _check_decodable(container: Any, stream: Any) -> None:
    """Raise MediaRejected (``media_damaged``) unless something of the audio can be decoded."""
    for count, packet in enumerate(container.demux(stream)):
        if _decode_one(packet.decode) is not None:
            return
        if count >= SOUND_PACKETS:
            break
    raise reject("media_damaged")


def _read_film(container: Any, source: _Source) -> MediaInfo:
    streams, limits = list(container.streams), source.limits
    stream = choose_video(container.streams.video)
    _check_size(stream, limits)
    duration_seconds = container_seconds(container)
    _check_length(max(duration_seconds, stream_seconds(container, stream)), limits)
    first = _decode_first_frame(container, stream)
    _check_frame(first.frame, limits)
    size_bytes = source.path.stat().st_size
    animation = None
    if source.format in ANIMATIONS:
        animation = _read_animation(container, stream, first, limits)
        duration_seconds = animation.seconds
    decodable = list_decodable_audio(container.streams.audio)
    heard = list_program_audio(stream, decodable)
    audio = tuple(describe_audio(stream) for stream in heard)
    video, warnings = describe_video(
        container, stream, first, find_crop(container, stream, source.path, source.boxes)
    )
    if animation is not None:
        video = replace(
            video,
            frames_from_header=animation.frames,
            last_frame_seconds=animation.last_seconds,
        )
    info = MediaInfo(
        format=source.format,
        size_bytes=size_bytes,
        duration_seconds_from_header=duration_seconds,
        start_seconds=start_seconds_of(stream, first.frame),
        bitrate_bps=bitrate_bps(container, size_bytes, duration_seconds),
        video=video,
        audio=audio,
        has_edit_list=source.boxes.has_edit_list,
        other_streams=len(streams) - 1 - len(audio),
        warnings=(
            *warnings,
            *describe_left_out(container.streams.audio),
            *describe_other_programs(decodable, heard),
        ),
        clock_start_seconds=(container.start_time or 0) / av.time_base,
        subtitles=tuple(describe_subtitles(stream) for stream in container.streams.subtitles),
    )
    return _look_further(container, stream, source, info)


def find_crop(container: Any, stream: Any, path: Path, boxes: BoxFacts) -> Crop:
    """Return what the container cuts off a stream's frames. FFmpeg does, and PyAV does not."""
    if not container.format.name.startswith(SourceFormat.MATROSKA):
        return boxes.crops.get(stream.id, NO_CROP)
    crops = read_crops(path)
    place = [one.index for one in container.streams.video].index(stream.index)
    return crops[place] if place < len(crops) else NO_CROP


def _look_further(container: Any, stream: Any, source: _Source, info: MediaInfo) -> MediaInfo:
    """Add what only frames in the middle and at the end tell. Raises MediaRejected."""
    last = find_shown_last(container, stream, source.file, source.path, source.boxes)
    if last is not None:
        info = _with_last_frame(info, last, stream.time_base)
        _check_length(info.duration_seconds_from_header, source.limits)
    scan = sample_scan(
        container,
        stream,
        source.file,
        first=info.video.is_interlaced,
        duration_seconds=info.picture_seconds,
    )
    is_interlaced = scan is not Scan.PROGRESSIVE
    return replace(info, video=replace(info.video, scan=scan, is_interlaced=is_interlaced))


def _with_last_frame(info: MediaInfo, last: LastFrame, time_base: Fraction) -> MediaInfo:
    """Return the metadata with the duration of the last frame, and no duration that is shorter."""
    end_seconds = float(last.end * time_base)
    start_seconds = info.start_seconds
    if info.format is SourceFormat.MATROSKA:
        start_seconds = max(0.0, info.clock_start_seconds)  # its tracks state when they end
    video_seconds = max(info.video.duration_seconds_from_header, end_seconds - start_seconds)
    lasts = max(info.duration_seconds_from_header, end_seconds - info.clock_start_seconds)
    length = float(last.length * time_base)
    video = replace(
        info.video, duration_seconds_from_header=video_seconds, last_frame_seconds=length
    )
    return replace(info, duration_seconds_from_header=lasts, video=video)


def _read_animation(container: Any, stream: Any, first: FirstFrame, limits: Limits) -> Measured:
    """Return how long an animated picture and its last frame last, by the delays of its frames.

    Raises MediaRejected (``media_still``, ``media_too_long``).
    """
    if len(first.times) == 1:
        raise reject("media_still")
    measured = measure(container, stream)
    _check_length(measured.seconds, limits)
    return measured


def choose_video(streams: Iterable[Any]) -> Any:
    """Return the stream that is the film: see ``core.tracks.choice``. Cover art is no video."""
    videos = [stream for stream in streams if not is_cover_art(stream)]
    if not videos:
        raise reject("media_no_video")
    decodable = [stream for stream in videos if has_decoder(stream)]
    if not decodable:
        raise reject("media_codec_unsupported")
    chosen = choose_video_track([describe_video_track(stream) for stream in decodable])
    return next(one for one in decodable if chosen is not None and one.index == chosen.index)


def _check_length(seconds: float, limits: Limits) -> None:
    if seconds > limits.max_duration_seconds:
        raise reject("media_too_long")


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
    first.alpha_decoder = find_alpha_decoder(stream)
    decoder = stream.codec_context
    if first.alpha_decoder:
        decoder = av.CodecContext.create(first.alpha_decoder, "r")
    for count, packet in enumerate(container.demux(stream)):
        if packet.pts is not None:
            first.times.append(packet.pts)
        if first.frame is None:
            first.frame = _decode_one(partial(decoder.decode, packet))
        if count >= FIRST_FRAME_PACKETS or (first.frame is not None and count >= RATE_PACKETS):
            break
    return first


def find_alpha_decoder(stream: Any) -> str:
    """Return the decoder that the transparency needs; empty if it needs no other than usual.

    ``alpha_mode`` is of the WebM container guidelines. Where FFmpeg copied a track, it is a tag,
    too, and its name is in capitals.
    """
    name = ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name, "")
    said = {key.lower(): value for key, value in stream.metadata.items()}
    is_clear = said.get("alpha_mode") == "1"
    return name if is_clear and name in codecs_available else ""


def _decode_one(decode: Callable[[], Any]) -> Any:
    try:
        return next(iter(decode()), None)
    except av.InvalidDataError:
        return None  # the next key frame may decode; preparing counts such errors
