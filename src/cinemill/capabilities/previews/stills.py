"""Stills spread over a video, by seeking: the frames between them are not decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.previews.duration import reject_truncated
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.media.color.convert import declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.color.spaces import JFIF
from cinemill.media.encoding.transparency import flatten
from cinemill.media.ffmpeg.arguments import (
    UNINDEXED_FORMATS,
    UNSEEKABLE_FORMATS,
    deinterlace,
    fit_height,
    freeze,
    input_arguments,
)
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.expected_output import PlannedOutput
from cinemill.media.verify.outputs import inspect_output

STILLS_AT_ONCE = 10
"""Inputs of one command: each holds a decoder of its own in memory."""
_PIXELS_AT_ONCE = 10 * 3840 * 2160
"""Pixels of all inputs together: ten decoders of H.264 in 4K take a gigabyte."""
STILL_PATTERN = "preview_%04d.jpg"
"""Counted from 1."""
_LEAD_SECONDS = Fraction(1, 2)
"""Some containers index key frames by decoding time, which is earlier."""
_UNINDEXED_LEAD_SECONDS = Fraction(5)
"""For streams without an index: longer than a broadcast's group of pictures."""


@dataclass(frozen=True, slots=True)
class Still:
    path: Path
    seconds: Fraction
    """Time of the frame, counted from the first frame."""
    width: int
    height: int


def spread_timestamps(duration_seconds: Fraction, count: int) -> tuple[Fraction, ...]:
    """Return the middles of ``count`` equal intervals.

    They avoid the opening black and the end credits.
    """
    return tuple(duration_seconds * (2 * index + 1) / (2 * count) for index in range(count))


def extract_stills(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    timestamps: Sequence[Fraction],
    *,
    height: int,
) -> tuple[Still, ...]:
    """Write a JPEG of the frame at each time, at most ``height`` high, into the folder.

    Raises MediaRejected (``media_truncated``), OutputInvalid, CommandFailed, CommandStalled,
    DiskFull, and whatever ``should_stop`` returns.
    """
    size = fit_height(info.video.display_width, info.video.display_height, height)
    stills: list[Still] = []
    at_once = min(STILLS_AT_ONCE, count_decoders(info))
    for start in range(0, len(timestamps), at_once):
        batch = timestamps[start : start + at_once]
        outputs = _name_outputs(start, len(batch), size)
        arguments = plan_stills(
            str(source),
            info,
            batch,
            outputs,
            can_tonemap=session.binary.can_tonemap,
            max_pixels=session.limits.max_pixels,
        )
        report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
        reject_truncated(report.tally)
        for output, timestamp in zip(outputs, batch, strict=True):
            inspect_output(session.folder / output.filename, output)
            stills.append(Still(session.folder / output.filename, timestamp, *size))
        session.on_progress(len(stills) / len(timestamps))
    return tuple(stills)


def count_decoders(info: MediaInfo) -> int:
    """Return how often a video of this frame size may be opened in one command."""
    return max(1, _PIXELS_AT_ONCE // (info.video.width * info.video.height))


def _name_outputs(start: int, count: int, size: tuple[int, int]) -> list[PlannedOutput]:
    return [
        PlannedOutput(ArtifactKind.PREVIEW, STILL_PATTERN % number, "image/jpeg", *size)
        for number in range(start + 1, start + count + 1)
    ]


def plan_stills(
    source: str,
    info: MediaInfo,
    timestamps: Sequence[Fraction],
    outputs: Sequence[PlannedOutput],
    *,
    can_tonemap: bool,
    max_pixels: int,
) -> list[str]:
    """Return FFmpeg's arguments: the video opened once per still, a little before its time."""
    arguments: list[str] = []
    places = []
    for timestamp in timestamps:
        seek, place = seek_before(info, timestamp)
        arguments += ["-threads", "1", *seek, *input_arguments(source, info, max_pixels)]
        places.append(place)
    for position, (output, place) in enumerate(zip(outputs, places, strict=True)):
        arguments += ["-map", f"{position}:{info.video.index}", "-frames:v", "1"]
        arguments += ["-fps_mode", "passthrough", "-map_metadata", "-1"]
        arguments += ["-vf", _still_filters(info, output, place, can_tonemap)]
        arguments += ["-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-bitexact", "-f", "image2"]
        arguments.append(output.filename)
    return arguments


def seek_before(info: MediaInfo, timestamp: Fraction) -> tuple[list[str], Fraction]:
    """Return arguments that seek to before this time, and the time on FFmpeg's clock afterwards.

    They seek to the key frame before, and from there every frame is decoded: the one on screen may
    have begun long ago.
    """
    start_seconds = Fraction(info.start_seconds - info.clock_start_seconds)
    if info.format in UNSEEKABLE_FORMATS:
        return [], max(Fraction(0), timestamp)
    wanted = max(Fraction(0), start_seconds.limit_denominator(90_000) + timestamp)
    lead = _UNINDEXED_LEAD_SECONDS if info.format in UNINDEXED_FORMATS else _LEAD_SECONDS
    # On a whole frame: AVI's clock ticks once a frame, and FFmpeg rounds the seek target to that.
    clock_hz = info.video.fps or Fraction(1000)
    at = max(Fraction(0), math.floor((wanted - lead) * clock_hz) / clock_hz)
    return ["-noaccurate_seek", "-ss", f"{float(at):.6f}"], wanted - at


def _still_filters(
    info: MediaInfo, output: PlannedOutput, place: Fraction, can_tonemap: bool
) -> str:
    source, size = find_color(info.video), (output.width, output.height)
    filters = [declare(source), *deinterlace(info), *freeze(place), *flatten(info)]
    return ",".join([*filters, *scale_to(size, source, JFIF, "yuvj420p", can_tonemap=can_tonemap)])
