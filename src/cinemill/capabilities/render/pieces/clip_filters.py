"""FFmpeg filters that put a clip on the output's frame grid. Pure.

Every piece is aligned to the output's constant grid by itself. The frame that a video shows at a
time is the last that began before it, so FFmpeg seeks to a little before the piece begins, and
frames that are too early are dropped by their own time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.render.pieces.piece_request import GAP, ClipSpan, Fade, PieceRequest
from cinemill.capabilities.render.timeline.timeline import BLACK
from cinemill.core.media import STILLS, MediaInfo
from cinemill.core.output import OutputFormat
from cinemill.core.sizes import make_even
from cinemill.media.color.convert import declare, scale_to, state
from cinemill.media.color.source import find_color
from cinemill.media.color.spaces import BT709
from cinemill.media.ffmpeg.arguments import UNINDEXED_FORMATS, UNSEEKABLE_FORMATS, deinterlace

LEAST_TIMESCALE = 10_000
_LEAD_SECONDS = Fraction(1, 2)
"""How far before the piece FFmpeg seeks: longer than one frame at any usual rate."""
_UNEVEN_LEAD_SECONDS = Fraction(5)
"""The same where the rate varies: in a screen recording a frame may last for seconds."""
_NOT_WORTH_SECONDS = 1
"""A shorter distance is decoded instead of skipped."""
_BLIND_LEAD_SECONDS = Fraction(30)
"""For streams without an index: after a seek they show nothing before the next key frame."""
_AGES_SECONDS = Fraction(10**6)
"""Longer than any video."""
_SLACK_SECONDS = Fraction(1, 400)
"""How late a frame may be: containers with millisecond times shift frames by half of one, and a
cut at hundredths of a second rarely matches a frame exactly."""
TAGS = state(BT709)
"""All clips, overlays, titles and gaps of a render have this color space, and so has the render."""


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A stored source file, with its media information."""

    path: Path
    info: MediaInfo


def tail_seconds(info: MediaInfo) -> Fraction:
    """Return how far a clip may extend past the end of its video.

    Durations in headers are rounded, and the last frame is held for this long. Streams without an
    index only estimate their duration.
    """
    if info.format in UNINDEXED_FORMATS:
        return Fraction(1)
    frame = 1 / info.video.fps if info.video.fps > 0 else Fraction(1, 10)
    return max(Fraction(1, 10), 2 * frame)


def ticks_per_frame(fps: Fraction) -> tuple[int, int]:
    """Return (timescale, ticks) with which every frame of this rate begins at a whole tick."""
    times = math.ceil(Fraction(LEAST_TIMESCALE, fps.numerator))
    return fps.numerator * times, fps.denominator * times


def resolve_background(videos: Mapping[str, StoredVideo], request: PieceRequest) -> PieceRequest:
    """Return an equivalent request without a background that is never visible."""
    if any(_shows_background(videos, take, request.output) for take in request.takes):
        return request
    return replace(request, background=BLACK)


def resolve_stills(videos: Mapping[str, StoredVideo], request: PieceRequest) -> PieceRequest:
    """Return an equivalent request in which stills start at 0: they look the same at any time.

    Their fades keep their times.
    """
    insets = (
        replace(inset, take=replace(inset.take, start=Fraction(0)))
        if videos[inset.take.sha256].info.format in STILLS
        else inset
        for inset in request.insets
    )
    return replace(request, insets=tuple(insets))


def _shows_background(
    videos: Mapping[str, StoredVideo], take: ClipSpan, output: OutputFormat
) -> bool:
    if take.sha256 == GAP:
        return True
    info, box = videos[take.sha256].info, (output.width, output.height)
    return info.video.has_alpha or fit_size(info, box) != box


def seek_arguments(info: MediaInfo, start: Fraction) -> tuple[list[str], Fraction]:
    """Return the arguments to seek for ``start``, and the time of ``start`` on FFmpeg's clock."""
    lead = Fraction(info.start_seconds - info.clock_start_seconds).limit_denominator(90_000)
    at = lead + min(start, _last_frame_start(info)) - _find_lead(info)
    if at <= _NOT_WORTH_SECONDS or info.has_edit_list or info.format in UNSEEKABLE_FORMATS:
        return [], lead + start
    # On a whole frame: AVI's clock ticks once per frame, and FFmpeg rounds the seek to it.
    clock_hz = info.video.fps or Fraction(1000)
    at = math.floor(at * clock_hz) / clock_hz
    return ["-ss", f"{float(at):.6f}"], lead + start - at


def _hold_seconds(info: MediaInfo) -> float:
    """Return how long the last frame may be shown: until its own end, or that of the audio."""
    whole_seconds = info.duration_seconds_from_header - info.lead_seconds
    return info.video.last_frame_seconds + max(0.0, whole_seconds - info.picture_seconds)


def _last_frame_start(info: MediaInfo) -> Fraction:
    """Return when the last frame begins: after it there is nothing to seek for."""
    seconds = max(0.0, info.picture_seconds - info.video.last_frame_seconds)
    return Fraction(seconds).limit_denominator(90_000) if seconds else _AGES_SECONDS


def _find_lead(info: MediaInfo) -> Fraction:
    if info.format in UNINDEXED_FORMATS:
        return _BLIND_LEAD_SECONDS
    if info.video.is_variable_rate or info.video.fps * _LEAD_SECONDS < 2:
        return _UNEVEN_LEAD_SECONDS
    return _LEAD_SECONDS


def span_filters(
    info: MediaInfo, take: ClipSpan, request: PieceRequest, shift: Fraction, can_tonemap: bool
) -> list[str]:
    """Return filters for an opaque clip; see :func:`clear_span_chains`."""
    fps = request.output.fps
    return [
        *to_frame_grid(info, shift, request.frames, fps),
        *_fit(info, request, can_tonemap),
        f"settb={1 / fps}",
        *fade(take.fades, fps),
        TAGS,
    ]


def clear_span_chains(
    opened: tuple[str, MediaInfo, Fraction],
    take: ClipSpan,
    request: PieceRequest,
    label: str,
    can_tonemap: bool,
) -> list[str]:
    """Return the filter chains that put a clip with transparent parts over the background.

    ``opened`` is its input's label, its media, and where it begins on FFmpeg's clock.
    """
    source, info, shift = opened
    output = request.output
    size = fit_size(info, (output.width, output.height))
    left, top = _center(size, output)
    front = [
        *to_frame_grid(info, shift, request.frames, output.fps),
        *resize(info, size, "yuva420p", can_tonemap),
        f"settb={1 / output.fps}",
        TAGS,
    ]
    back = gap_filters(ClipSpan(GAP, Fraction(0)), request)
    last = [f"overlay=x={left}:y={top}:format=yuv420", *fade(take.fades, output.fps), TAGS]
    return [
        f"{','.join(back)}[{label}_back]",
        f"{source}{','.join(front)}[{label}_front]",
        f"[{label}_back][{label}_front]{','.join(last)}[{label}]",
    ]


def _center(size: tuple[int, int], output: OutputFormat) -> tuple[int, int]:
    """Return left and top, at even pixels: otherwise chroma would be shifted against luma."""
    return (output.width - size[0]) // 4 * 2, (output.height - size[1]) // 4 * 2


def to_frame_grid(info: MediaInfo, shift: Fraction, frames: int, fps: Fraction) -> list[str]:
    """Return filters for ``frames`` frames, the first being what is visible at ``shift``.

    The frames state their color space.
    """
    slack = _find_slack(fps)
    hold = float(tail_seconds(info) + 1 / fps) + _hold_seconds(info)
    return [
        declare(find_color(info.video)),
        *deinterlace(info),
        "settb=AVTB",  # some clocks tick once per frame, and the piece may begin in between
        f"setpts=round(PTS-{float(shift + slack):.6f}/TB)",
        f"tpad=stop_mode=clone:stop_duration={hold:.3f}",
        f"fps={fps}:round=up:start_time=0",
        f"trim=end_frame={frames}",
    ]


def trim_start(seconds: Fraction, fps: Fraction) -> int:
    """Return the first frame of the grid that shows what begins ``seconds`` after its start.

    It matches :func:`to_frame_grid`.
    """
    return math.ceil((seconds - _find_slack(fps)) * fps)


def _find_slack(fps: Fraction) -> Fraction:
    return min(_SLACK_SECONDS, 1 / fps / 8)


def gap_filters(take: ClipSpan, request: PieceRequest) -> list[str]:
    output = request.output
    return [
        f"color=c={_color_name(request.background)}:s={output.width}x{output.height}:r={output.fps}",
        # By way of RGB, or the color would be BT.601's.
        "format=gbrp,scale=out_color_matrix=bt709:out_range=tv",
        f"trim=end_frame={request.frames}",
        f"format=yuv420p,setsar=1,settb={1 / output.fps}",
        *fade(take.fades, output.fps),
        TAGS,
    ]


def _color_name(color: str) -> str:
    return "black" if color == BLACK else f"0x{color[1:]}"


def fit_size(info: MediaInfo, box: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the whole frame scaled into a box of pixels, keeping its aspect ratio."""
    video = info.video
    scale = min(Fraction(box[0], video.display_width), Fraction(box[1], video.display_height))
    return make_even(video.display_width * scale), make_even(video.display_height * scale)


def _fit(info: MediaInfo, request: PieceRequest, can_tonemap: bool) -> list[str]:
    """Return filters that scale the whole frame into the output's, padded with the background."""
    output = request.output
    width, height = fit_size(info, (output.width, output.height))
    resized = resize(info, (width, height), "yuv420p", can_tonemap)
    if (width, height) == (output.width, output.height):
        return resized
    left, top = _center((width, height), output)
    pad = f"pad={output.width}:{output.height}:{left}:{top}:{_color_name(request.background)}"
    return [*resized, pad]


def resize(info: MediaInfo, size: tuple[int, int], pixels: str, can_tonemap: bool) -> list[str]:
    """Return filters from frames on the grid to frames of this size in the render's colors."""
    return scale_to(size, find_color(info.video), BT709, pixels, can_tonemap=can_tonemap)


def fade(fades: Sequence[Fade], fps: Fraction, of: str = "") -> list[str]:
    """Return fade filters by time, on a clock shifted so that no fade begins before 0."""
    if not fades:
        return []
    ahead = max(0, *(-one.first for one in fades))
    filters = [
        f"fade=t={'out' if one.is_out else 'in'}:st={float((one.first + ahead) / fps):.6f}"
        f":d={float(one.frames / fps):.6f}{of}"
        for one in fades
    ]
    return [f"setpts=PTS+{ahead}", *filters, f"setpts=PTS-{ahead}"]
