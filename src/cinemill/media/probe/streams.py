"""Streams of an open file as our own types: video, audio, subtitles. Nothing is trusted."""

from __future__ import annotations

import hashlib
import itertools
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition

from cinemill.core.media import AudioStream, SubtitleStream, VideoStream
from cinemill.media.probe.durations import stream_seconds

VARIABLE_RATE_RATIO = 1.3
RAGGED_SHARE = 0.03
_REORDERED_FRAMES = 4
_ROUNDING_SECONDS = Fraction(2, 1000)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_RIGHT_ANGLE = 90
_FULL_TURN = 360

_PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_TRANSFERS = {1: "bt709", 6: "smpte170m", 8: "linear", 13: "iec61966-2-1", 14: "bt2020-10"}
_TRANSFERS |= {15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}
_SPACES = {0: "gbr", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc", 10: "bt2020c"}


@dataclass(slots=True)
class FirstFrame:
    """Facts from some packets and one frame."""

    frame: Any = None
    times: list[int] = field(default_factory=list)
    """Presentation timestamps of the first frames, in ticks."""


def is_cover_art(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None and bool(stream.codec_context.is_decoder)


def list_decodable_audio(streams: Iterable[Any]) -> list[Any]:
    return [
        stream
        for stream in streams
        if has_decoder(stream) and stream.codec_context.sample_rate and stream.channels
    ]


def describe_video(container: Any, stream: Any, first: FirstFrame) -> tuple[VideoStream, list[str]]:
    frame, codec = first.frame, stream.codec_context
    rotation, warnings = _rotation(frame.rotation)
    display = display_size(frame.width, frame.height, codec.sample_aspect_ratio, rotation)
    fps = stream.average_rate or stream.guessed_rate or Fraction(0)
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
            color_primaries=_PRIMARIES.get(int(frame.color_primaries), "unknown"),
            color_transfer=_TRANSFERS.get(int(frame.color_trc), "unknown"),
            color_space=_SPACES.get(int(frame.colorspace), "unknown"),
            hdr=_hdr(frame),
            frames_from_header=max(0, stream.frames),
            duration_seconds_from_header=stream_seconds(container, stream),
            settings=digest_settings(stream) if _is_shown_as_stored(frame) else "",
        ),
        warnings,
    )


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


def display_size(
    width: int, height: int, sample_aspect: Fraction | None, rotation: int
) -> tuple[int, int]:
    """Return the size after sample aspect ratio and rotation. Absurd ratios count as square."""
    aspect = sample_aspect or Fraction(1)
    if not Fraction(1, 20) <= aspect <= 20:
        aspect = Fraction(1)
    shown_width = max(1, round(width * aspect))
    return (height, shown_width) if rotation % 180 else (shown_width, height)


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


def _hdr(frame: Any) -> str:
    transfer = _TRANSFERS.get(int(frame.color_trc))
    if transfer == "arib-std-b67":
        return "hlg"
    if transfer != "smpte2084":
        return ""
    kinds = {SideData.MASTERING_DISPLAY_METADATA, SideData.CONTENT_LIGHT_LEVEL}
    return "hdr10" if any(side.type in kinds for side in frame.side_data) else "pq"


def describe_audio(stream: Any) -> AudioStream:
    return AudioStream(
        index=stream.index,
        codec=stream.codec_context.name,
        channels=stream.channels,
        sample_rate_hz=stream.codec_context.sample_rate,
        language=_read_language(stream),
        is_default=bool(stream.disposition & Disposition.default),
    )


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
