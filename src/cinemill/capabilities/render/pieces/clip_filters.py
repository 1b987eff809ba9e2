"""A piece of a timeline, planned: pure functions from a request to FFmpeg's arguments.

Every piece is laid on the output's constant grid by itself. The frame that a film shows at a moment
is the last that began before it, so the film is entered a little earlier than the piece begins, and
what comes too early is dropped by the frame's own time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.render.pieces.piece_request import GAP, Fade, PieceRequest, Take
from cinemill.capabilities.render.timeline.timeline import BLACK
from cinemill.core.media import STILLS, MediaInfo
from cinemill.core.output import OutputFormat
from cinemill.core.sizes import make_even
from cinemill.media.encoding.tonemap import tonemap
from cinemill.media.ffmpeg.arguments import UNINDEXED_FORMATS

LEAST_TIMESCALE = 10_000
_LEAD_SECONDS = Fraction(1, 2)
"""The film is entered so long before: longer than a frame of any rate that is a film's."""
_UNEVEN_LEAD_SECONDS = Fraction(5)
"""Where the rate varies a frame may stay: screens are recorded so."""
_NOT_WORTH_SECONDS = 1
"""So little is decoded rather than skipped."""
_BLIND_LEAD_SECONDS = Fraction(30)
"""Of streams without an index: entered anywhere, they show nothing before the next key frame."""
_SLACK_SECONDS = Fraction(1, 400)
"""A frame so little late is in time: containers that keep milliseconds move frames by half of
one, and a cut to hundredths of a second meets no frame of a usual rate just there."""
TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
_HD_LINES = 720
_MATRICES = {
    "bt709": "bt709",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}


@dataclass(frozen=True, slots=True)
class Film:
    """A source as it lies in the store, and what it is."""

    path: Path
    info: MediaInfo


def tail_seconds(info: MediaInfo) -> Fraction:
    """How far a clip may reach over the end of its film, as the header tells it: headers are
    rounded, and the last frame is held so long. Streams without an index only guess."""
    if info.format in UNINDEXED_FORMATS:
        return Fraction(1)
    frame = 1 / info.video.fps if info.video.fps > 0 else Fraction(1, 10)
    return max(Fraction(1, 10), 2 * frame)


def ticks_per_frame(fps: Fraction) -> tuple[int, int]:
    """(timescale, ticks) with which every frame of this rate has a whole time."""
    times = math.ceil(Fraction(LEAST_TIMESCALE, fps.numerator))
    return fps.numerator * times, fps.denominator * times


def resolve_background(films: Mapping[str, Film], request: PieceRequest) -> PieceRequest:
    """The same picture's request without a background that is nowhere seen."""
    if any(_shows_background(films, take, request.output) for take in request.takes):
        return request
    return replace(request, background=BLACK)


def resolve_stills(films: Mapping[str, Film], request: PieceRequest) -> PieceRequest:
    """The same picture's request, in which a still is entered nowhere: it looks the same however
    long it has been seen. Its fades go on."""
    insets = (
        replace(inset, take=replace(inset.take, start=Fraction(0)))
        if films[inset.take.sha256].info.format in STILLS
        else inset
        for inset in request.insets
    )
    return replace(request, insets=tuple(insets))


def _shows_background(films: Mapping[str, Film], take: Take, output: OutputFormat) -> bool:
    if take.sha256 == GAP:
        return True
    box = (output.width, output.height)
    return fit_size(films[take.sha256].info, box) != box


def seek_arguments(info: MediaInfo, start: Fraction) -> tuple[list[str], Fraction]:
    """How the film is entered for what begins at ``start``, and where that lies on FFmpeg's clock
    then."""
    lead = Fraction(info.start_seconds - info.clock_start_seconds).limit_denominator(90_000)
    at = lead + start - _find_lead(info)
    if at <= _NOT_WORTH_SECONDS or info.has_edit_list:
        return [], lead + start
    # On a whole frame: AVI's clock ticks once a frame, and FFmpeg rounds where it enters to that.
    clock_hz = info.video.fps or Fraction(1000)
    at = math.floor(at * clock_hz) / clock_hz
    return ["-ss", f"{float(at):.6f}"], lead + start - at


def _find_lead(info: MediaInfo) -> Fraction:
    if info.format in UNINDEXED_FORMATS:
        return _BLIND_LEAD_SECONDS
    if info.video.is_variable_rate or info.video.fps * _LEAD_SECONDS < 2:
        return _UNEVEN_LEAD_SECONDS
    return _LEAD_SECONDS


def take_filters(
    info: MediaInfo, take: Take, request: PieceRequest, shift: Fraction, can_tonemap: bool
) -> list[str]:
    fps = request.output.fps
    return [
        *to_frame_grid(info, shift, request.frames, fps),
        *_fit(info, request, can_tonemap),
        f"format=yuv420p,settb={1 / fps}",
        *fade(take.fades, fps),
        TAGS,
    ]


def to_frame_grid(info: MediaInfo, shift: Fraction, frames: int, fps: Fraction) -> list[str]:
    """So many frames at this rate, the first of which is what the film shows at ``shift``."""
    slack = _find_slack(fps)
    hold = float(tail_seconds(info) + 1 / fps)
    return [
        *(["bwdif=mode=send_frame:deint=interlaced"] if info.video.is_interlaced else []),
        "settb=AVTB",  # some clocks tick once a frame, and the piece may begin in between
        f"setpts=round(PTS-{float(shift + slack):.6f}/TB)",
        f"tpad=stop_mode=clone:stop_duration={hold:.3f}",
        f"fps={fps}:round=up:start_time=0",
        f"trim=end_frame={frames}",
    ]


def trim_start(seconds: Fraction, fps: Fraction) -> int:
    """The frame of the grid that is the first to show what a film shows from so many seconds after
    the grid's beginning on, as :func:`to_frame_grid` lays it."""
    return math.ceil((seconds - _find_slack(fps)) * fps)


def _find_slack(fps: Fraction) -> Fraction:
    return min(_SLACK_SECONDS, 1 / fps / 8)


def gap_filters(take: Take, request: PieceRequest) -> list[str]:
    output = request.output
    return [
        f"color=c={_colour(request.background)}:s={output.width}x{output.height}:r={output.fps}",
        # By way of RGB, or the colour would be BT.601's.
        "format=gbrp,scale=out_color_matrix=bt709:out_range=tv",
        f"trim=end_frame={request.frames}",
        f"format=yuv420p,setsar=1,settb={1 / output.fps}",
        *fade(take.fades, output.fps),
        TAGS,
    ]


def _colour(colour: str) -> str:
    return "black" if colour == BLACK else f"0x{colour[1:]}"


def fit_size(info: MediaInfo, box: tuple[int, int]) -> tuple[int, int]:
    """Of the whole picture within a box of pixels, its shape kept."""
    video = info.video
    scale = min(Fraction(box[0], video.display_width), Fraction(box[1], video.display_height))
    return make_even(video.display_width * scale), make_even(video.display_height * scale)


def _fit(info: MediaInfo, request: PieceRequest, can_tonemap: bool) -> list[str]:
    """The whole picture within the output's, the background beside it."""
    output = request.output
    width, height = fit_size(info, (output.width, output.height))
    resized = resize(info, (width, height), can_tonemap)
    if (width, height) == (output.width, output.height):
        return resized
    # Padding is placed on even pixels: a quarter of the colour would else be beside its light.
    left, top = (output.width - width) // 4 * 2, (output.height - height) // 4 * 2
    pad = f"pad={output.width}:{output.height}:{left}:{top}:{_colour(request.background)}"
    return [*resized, f"format=yuv420p,{pad}"]


def resize(info: MediaInfo, size: tuple[int, int], can_tonemap: bool) -> list[str]:
    colour = _convert(info, can_tonemap)
    return [f"scale={size[0]}:{size[1]}:flags=bicubic{colour[0]}", "setsar=1", *colour[1:]]


def _convert(info: MediaInfo, can_tonemap: bool) -> list[str]:
    """To BT.709: what is added to the scaling filter, and the filters after it.

    Colours are read as the picture says, else as its size suggests.
    """
    if info.video.hdr and can_tonemap:
        return ["", *tonemap(info)]
    is_large = min(info.video.width, info.video.height) >= _HD_LINES
    matrix = _MATRICES.get(info.video.color_space, "bt709" if is_large else "bt601")
    # The quick way through RGB darkens by a level; where nothing is converted it changes nothing.
    exact = "" if matrix == "bt709" else "+accurate_rnd+full_chroma_int"
    return [f"{exact}:in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"]


def fade(fades: Sequence[Fade], fps: Fraction, of: str = "") -> list[str]:
    """By time, on a clock put forward so far that no fade begins before it does."""
    if not fades:
        return []
    ahead = max(0, *(-one.first for one in fades))
    filters = [
        f"fade=t={'out' if one.is_out else 'in'}:st={float((one.first + ahead) / fps):.6f}"
        f":d={float(one.frames / fps):.6f}{of}"
        for one in fades
    ]
    return [f"setpts=PTS+{ahead}", *filters, f"setpts=PTS-{ahead}"]
