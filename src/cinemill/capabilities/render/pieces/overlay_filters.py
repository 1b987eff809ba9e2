"""FFmpeg filters for overlays: how stills and videos are prepared, and where they go."""

from __future__ import annotations

from fractions import Fraction

from cinemill.capabilities.render.pieces.clip_filters import (
    TAGS,
    fade,
    fit_size,
    resize,
    to_frame_grid,
)
from cinemill.capabilities.render.pieces.piece_request import VideoOverlay
from cinemill.core.media import STILLS, MediaInfo
from cinemill.core.output import OutputFormat
from cinemill.core.sizes import make_even
from cinemill.media.color.convert import declare
from cinemill.media.color.source import find_color

_MARGIN_SHARE = Fraction(1, 20)
"""Of the frame's height, between its edge and the overlay; less if there is less room."""
_CLEAR_FORMATS = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya", "pal8")


def overlay_source_filters(
    info: MediaInfo, inset: VideoOverlay, output: OutputFormat, shift: Fraction, can_tonemap: bool
) -> list[str]:
    """Return filters that turn the file into ``inset.frames`` sized frames on the piece's clock."""
    pixels = "yuva420p" if _is_transparent(info, inset) else "yuv420p"
    resized = resize(info, _find_size(info, inset, output), pixels, can_tonemap)
    if info.format in STILLS:
        timed = [declare(find_color(info.video)), *resized]
        timed.append(f"loop=loop=-1:size=1,settb={1 / output.fps},setpts=N")
        timed.append(f"trim=end_frame={inset.frames}")
    else:
        timed = [*to_frame_grid(info, shift, inset.frames, output.fps), *resized]
    return [
        *timed,
        f"settb={1 / output.fps}",
        *([f"lutyuv=a=val*{float(inset.opacity):.6f}"] if inset.opacity != 1 else []),
        *fade(inset.take.fades, output.fps, of=":alpha=1"),
        TAGS,
        f"setpts=PTS+{inset.first}",
    ]


def overlay_video(info: MediaInfo, inset: VideoOverlay, output: OutputFormat) -> str:
    """Return the filter that puts the overlay over the video."""
    left, top = _find_place(inset.place, _find_size(info, inset, output), output)
    # Between two frames, so that rounding never shifts it by one.
    since, until = (
        float((frame - Fraction(1, 2)) / output.fps)
        for frame in (inset.first, inset.first + inset.frames)
    )
    return (
        f"overlay=x={left}:y={top}:format=yuv420:eof_action=repeat"
        f":enable='gt(t,{since:.6f})*lt(t,{until:.6f})'"
    )


def _find_size(info: MediaInfo, inset: VideoOverlay, output: OutputFormat) -> tuple[int, int]:
    box = make_even(output.width * inset.size), make_even(output.height * inset.size)
    width, height = fit_size(info, box)
    return min(width, box[0]), min(height, box[1])


def _find_place(place: str, size: tuple[int, int], output: OutputFormat) -> tuple[int, int]:
    """Return left and top, on even pixels so that chroma is not shifted against luma."""
    margin = output.height * _MARGIN_SHARE
    free = output.width - size[0], output.height - size[1]
    left, top = (room // 4 * 2 for room in free)
    across, down = (min(int(margin), room // 2) // 2 * 2 for room in free)
    if "left" in place:
        left = across
    if "right" in place:
        left = free[0] - across
    if "top" in place:
        top = down
    if "bottom" in place:
        top = free[1] - down
    return left, top


def _is_transparent(info: MediaInfo, inset: VideoOverlay) -> bool:
    """Return whether the video may be visible through the overlay."""
    is_blended = inset.opacity != 1 or bool(inset.take.fades)
    is_clear = info.video.has_alpha or info.video.pixel_format.startswith(_CLEAR_FORMATS)
    return is_blended or is_clear
