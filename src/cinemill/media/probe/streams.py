"""Streams of an open file as our own types: video, audio, subtitles. Nothing is trusted."""

from __future__ import annotations

import hashlib
import itertools
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition

from cinemill.core.media import (
    AUDIO_ROLES,
    AudioStream,
    SourceFormat,
    SubtitleStream,
    VideoStream,
)
from cinemill.core.sizes import Crop
from cinemill.core.tracks.channels import MOST_CHANNELS
from cinemill.core.tracks.choice import VideoTrack
from cinemill.core.tracks.names import clean_name
from cinemill.media.color.spaces import read_stated
from cinemill.media.probe.codec_names import name_video_codec
from cinemill.media.probe.durations import stream_seconds

VARIABLE_RATE_RATIO = 1.3
RAGGED_SHARE = 0.03
_REORDERED_FRAMES = 4
_ROUNDING_SECONDS = Fraction(2, 1000)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_NARROWEST = Fraction(1, 20)
_PLACE = re.compile(r"(?!NONE|UNK|UNSD|AMBI)[A-Z]{1,4}[0-9]?")
_GENERIC_NAME = re.compile(r"(?i)handler|media|gpac|produced|l-smash|bento|^(?:audio|sound|mono)$")
"""Of what programs write as the name of every track (``SoundHandler``, ``Core Media Audio``)."""
_RIGHT_ANGLE = 90
_FULL_TURN = 360


@dataclass(slots=True)
class FirstFrame:
    """Facts from some packets and one frame."""

    frame: Any = None
    times: list[int] = field(default_factory=list)
    """Presentation timestamps of the first frames, in ticks."""
    alpha_decoder: str = ""
    """The decoder that the frame came out of, if it is not FFmpeg's own for the codec."""


def is_cover_art(stream: Any) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None and bool(stream.codec_context.is_decoder)


def list_decodable_audio(streams: Iterable[Any]) -> list[Any]:
    """Return the audio that can be decoded and mixed: with known samples and few enough channels.

    What is left out counts among the file's other streams.
    """
    return [
        stream
        for stream in streams
        if has_decoder(stream)
        and stream.codec_context.sample_rate
        and 0 < stream.channels <= MOST_CHANNELS
    ]


def list_program_audio(film: Any, audio: Sequence[Any]) -> list[Any]:
    """Return the audio that is broadcast with a video track; all of it if none is.

    A transport stream may have several programs, and what belongs to another one is the sound of
    other pictures. A track without a program counts as one of the best picture's.
    """
    best = film.container.streams.best
    partners = (film, best("video", related=film))
    return [one for one in audio if best("video", related=one) in partners] or list(audio)


def describe_other_programs(audio: Iterable[Any], kept: Sequence[Any]) -> list[str]:
    """Return which audio is left out because it belongs to other pictures, in words."""
    return [
        f"the audio of stream {stream.index} was left out: it belongs to another program"
        for stream in audio
        if stream not in kept
    ]


def describe_left_out(streams: Iterable[Any]) -> list[str]:
    """Return which audio is left out for its number of channels, in words."""
    return [
        f"the audio of stream {stream.index} was left out: it has {stream.channels} channels, more "
        f"than {MOST_CHANNELS}"
        for stream in streams
        if has_decoder(stream) and stream.channels > MOST_CHANNELS
    ]


def describe_video_track(stream: Any) -> VideoTrack:
    """Return what is known of a video track from the headers."""
    codec = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    return VideoTrack(
        index=stream.index,
        codec=codec.codec.canonical_name,
        width=codec.width,
        height=codec.height,
        fps=float(rate or 0),
        seconds=stream_seconds(stream.container, stream),
        frames=max(0, stream.frames),
        is_default=bool(stream.disposition & Disposition.default),
        is_still=bool(stream.disposition & (Disposition.still_image | Disposition.dependent)),
    )


def describe_video(
    container: Any, stream: Any, first: FirstFrame, crop: Crop
) -> tuple[VideoStream, list[str]]:
    frame, codec = first.frame, stream.codec_context
    rotation, warnings = _rotation(frame.rotation)
    shown = crop.apply(frame.width, frame.height)
    display = display_size(*shown, read_aspect(stream), rotation)
    fps, frames = _read_rate(container, stream, first)
    color = read_stated(frame, codec)
    return (
        VideoStream(
            index=stream.index,
            codec=codec.codec.canonical_name,
            width=frame.width,
            height=frame.height,
            display_width=display[0],
            display_height=display[1],
            fps=fps,
            is_variable_rate=_is_variable(first.times, fps, stream.time_base),
            rotation_degrees=rotation,
            pixel_format=frame.format.name,
            bit_depth=max(part.bits for part in frame.format.components),
            is_interlaced=bool(frame.interlaced_frame),
            color_primaries=color.primaries,
            color_transfer=color.transfer,
            color_space=color.matrix,
            color_range=color.range,
            hdr=_hdr(frame, color.transfer),
            frames_from_header=frames,
            duration_seconds_from_header=stream_seconds(container, stream),
            settings=digest_settings(stream) if _is_shown_as_stored(frame) else "",
            codec_name=name_codec_of(stream, frame),
            has_alpha=(is_clear := has_alpha(stream, frame)),
            alpha_decoder=first.alpha_decoder if is_clear else "",
        ),
        warnings,
    )


def name_codec_of(stream: Any, frame: Any) -> str:
    """Return the codec of a video track as browsers name it; ``frame`` is one of its frames."""
    codec = stream.codec_context
    return name_video_codec(
        codec.codec.canonical_name,
        codec.extradata or b"",
        tag=codec.codec_tag,
        pixel_format=frame.format.name,
        bit_depth=max(part.bits for part in frame.format.components),
        longest_side=max(frame.width, frame.height),
    )


def has_alpha(stream: Any, frame: Any) -> bool:
    """Check whether parts of a frame of a stream may be transparent.

    The fourth byte of uncompressed AVI is padding, and mostly zero.
    """
    codec = stream.codec_context.codec.canonical_name
    if codec == "rawvideo" and stream.container.format.name == SourceFormat.AVI:
        return False
    return frame.format.name == "pal8" or any(one.is_alpha for one in frame.format.components)


def _is_shown_as_stored(frame: Any) -> bool:
    """Check that frames are neither rotated nor mirrored."""
    return SideData.DISPLAYMATRIX not in {data.type for data in frame.side_data}


def digest_settings(stream: Any) -> str:
    """Return a digest of the codec's private data (FFmpeg's ``extradata``) of a stream."""
    return hashlib.sha256(stream.codec_context.extradata or b"").hexdigest()[:16]


def _rotation(counterclockwise: float) -> tuple[int, list[str]]:
    """Return the clockwise right angle: FFmpeg rotates by other angles only with blank corners."""
    clockwise = -counterclockwise % _FULL_TURN
    turned = round(clockwise / _RIGHT_ANGLE) * _RIGHT_ANGLE % _FULL_TURN
    skewed = turned != round(clockwise) % _FULL_TURN
    return turned, [f"rotation of {clockwise:g} degrees shown as {turned}"] if skewed else []


def read_aspect(stream: Any) -> Fraction:
    """Return how wide a stored pixel is shown, relative to its height.

    FFmpeg's ``av_guess_sample_aspect_ratio`` prefers what the container states to what the codec
    does; every reader asks here, so all agree.
    """
    return choose_aspect(stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio)


def choose_aspect(stated: Fraction | None, coded: Fraction | None) -> Fraction:
    """Return the pixel aspect ratio that holds: the container's, else the codec's, else square.

    A container is written last, and often to correct what was encoded; players go by it, too. MP4
    and MOV state it in ``pasp`` (ISO/IEC 14496-12, 12.1.4) or by a track's size, Matroska in
    ``DisplayWidth`` and ``DisplayHeight`` (RFC 9559, 5.1.4.1.28), AVI in ``vprp``, MXF in its
    descriptor; transport and program streams have the codec's alone. That a container states square
    pixels is a statement, too. Absurd ratios say nothing.
    """
    for aspect in (stated, coded):
        if aspect and _NARROWEST <= aspect <= 1 / _NARROWEST:
            return aspect
    return Fraction(1)


def display_size(width: int, height: int, aspect: Fraction, rotation: int) -> tuple[int, int]:
    """Return the size after the pixel aspect ratio and rotation."""
    shown_width = max(1, round(width * aspect))
    return (height, shown_width) if rotation % 180 else (shown_width, height)


def _read_rate(container: Any, stream: Any, first: FirstFrame) -> tuple[Fraction, int]:
    """Return frames a second, and how many the header declares; zeros where it does not say.

    AVI has a slot for each tick of its clock, also where that ticks more often than frames come,
    and counts empty slots, too. Then the first frames say how often they come.
    """
    fps = stream.average_rate or stream.guessed_rate or Fraction(0)
    typical = _typical_rate(first.times, stream.time_base)
    if container.format.name == SourceFormat.AVI and 0 < typical < fps * Fraction(2, 3):
        return typical, 0
    return fps, max(0, stream.frames)


def _typical_rate(times: list[int], time_base: Fraction) -> Fraction:
    """Return the rate of most of the first frames; 0 where there are too few of them."""
    steps = [after - before for before, after in itertools.pairwise(sorted(set(times)))]
    return 1 / (Fraction(statistics.median_low(steps)) * time_base) if steps else Fraction(0)


def _is_variable(times: list[int], fps: Fraction, time_base: Fraction) -> bool:
    """Check whether steps between frames differ by more than a gap or two would cause."""
    # The last timestamps are incomplete: frames that come before them may not have been read yet.
    ordered = sorted(set(times))[:-_REORDERED_FRAMES]
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


def _hdr(frame: Any, transfer: str) -> str:
    if transfer == "arib-std-b67":
        return "hlg"
    if transfer != "smpte2084":
        return ""
    kinds = {SideData.MASTERING_DISPLAY_METADATA, SideData.CONTENT_LIGHT_LEVEL}
    return "hdr10" if any(side.type in kinds for side in frame.side_data) else "pq"


def describe_audio(stream: Any) -> AudioStream:
    return AudioStream(
        index=stream.index,
        codec=stream.codec_context.codec.canonical_name,
        channels=stream.channels,
        sample_rate_hz=stream.codec_context.sample_rate,
        language=_read_language(stream),
        is_default=bool(stream.disposition & Disposition.default),
        layout=stream.layout.name,
        places=_read_places(stream.layout),
        title=_read_title(stream),
        roles=tuple(role for role in AUDIO_ROLES if stream.disposition & Disposition[role]),
    )


def _read_places(layout: Any) -> tuple[str, ...]:
    """Return where each channel belongs; nothing where one is unknown, or is no speaker's."""
    names = tuple(channel.name for channel in layout.channels)
    is_known = all(_PLACE.fullmatch(name) for name in names)
    return names if is_known and len(names) == layout.nb_channels else ()


def _read_title(stream: Any) -> str:
    """Return what the file calls a track, as one line of plain text; empty if nothing."""
    said = stream.metadata
    handler = said.get("handler_name", "")
    names = (said.get("title"), said.get("name"), "" if _GENERIC_NAME.search(handler) else handler)
    return clean_name(next((name for name in names if name), ""))


def describe_subtitles(stream: Any) -> SubtitleStream:
    codec = stream.codec_context
    return SubtitleStream(
        index=stream.index,
        codec=codec.codec.canonical_name if codec is not None else "unknown",
        language=_read_language(stream),
        is_default=bool(stream.disposition & Disposition.default),
    )


def _read_language(stream: Any) -> str:
    """Return the file's language if it may be one (RFC 5646), else ``und``.

    It is written into playlists and manifests, and a file may contain anything.
    """
    return said if _LANGUAGE.fullmatch(said := stream.language or "") else "und"
