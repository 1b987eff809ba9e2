"""The FFmpeg command for a piece: a pure function from a request to arguments.

::

    take0 ─► (transition) ─► insets ─► titles ─► subtitles ─► encoder
    take1 ─┘
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from cinemill.capabilities.render.pieces.clip_filters import (
    TAGS,
    StoredVideo,
    clear_span_chains,
    gap_filters,
    seek_arguments,
    span_filters,
    ticks_per_frame,
)
from cinemill.capabilities.render.pieces.overlay_filters import (
    overlay_source_filters,
    overlay_video,
)
from cinemill.capabilities.render.pieces.piece_request import GAP, ClipSpan, PieceRequest
from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.media import STILLS, MediaInfo
from cinemill.core.text.subtitles import PieceSubtitles, lead_frames
from cinemill.media.encoding.encode_plan import encoder_arguments
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.fonts import FONTS_FOLDER

ENCODER = "libx264"
SUBTITLES_NAME = "subtitles.ass"
TITLES_NAME = "titles.ass"


def plan_piece(
    videos: Mapping[str, StoredVideo],
    request: PieceRequest,
    filename: str,
    *,
    can_tonemap: bool,
    max_pixels: int,
    hardware: HardwareEncoder | None = None,
) -> list[str]:
    """Return FFmpeg's arguments for one piece; ``videos`` by sha256.

    Without ``hardware`` it is encoded in software.
    """
    inputs = _Inputs(videos, max_pixels)
    chains = []
    for index, take in enumerate(request.takes):
        if take.sha256 == GAP:
            chains.append(f"{','.join(gap_filters(take, request))}[take{index}]")
            continue
        label, info, shift = opened = inputs.open(take)
        if info.video.has_alpha:
            chains += clear_span_chains(opened, take, request, f"take{index}", can_tonemap)
        else:
            filters = span_filters(info, take, request, shift, can_tonemap)
            chains.append(f"{label}{','.join(filters)}[take{index}]")
    for index, inset in enumerate(request.insets):
        label, info, shift = inputs.open(inset.take)
        filters = overlay_source_filters(info, inset, request.output, shift, can_tonemap)
        chains.append(f"{label}{','.join(filters)}[inset{index}]")
    chains += _join(videos, request, hardware.plan_filters(is_deep=False) if hardware else ())
    timescale, _ = ticks_per_frame(request.output.fps)
    return [
        *(hardware.input_arguments if hardware else ()),
        *inputs.arguments,
        *("-filter_complex", ";".join(chains), "-map", "[piece]"),
        *("-fps_mode", "passthrough", "-frames:v", str(request.frames)),
        *encoder_arguments(hardware or ENCODER, RenditionRequest(), is_deep=False),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
        *("-video_track_timescale", str(timescale), "-f", "mp4", filename),
    ]


class _Inputs:
    """The inputs of a command: each clip span's file, opened where the span begins."""

    def __init__(self, videos: Mapping[str, StoredVideo], max_pixels: int) -> None:
        self._videos = videos
        self._max_pixels = max_pixels
        self._count = 0
        self.arguments: list[str] = []

    def open(self, take: ClipSpan) -> tuple[str, MediaInfo, Fraction]:
        """Return the input's label, its media, and where the span begins on FFmpeg's clock."""
        video = self._videos[take.sha256]
        is_still = video.info.format in STILLS
        seek, shift = ([], Fraction(0)) if is_still else seek_arguments(video.info, take.start)
        # All frames from the key frame on: one that began before the seek target may still be on
        # screen when the piece begins. FFmpeg would drop it, and show the next too early.
        self.arguments += ["-noaccurate_seek", *seek] if seek else []
        self.arguments += input_arguments(str(video.path), video.info, self._max_pixels)
        label = f"[{self._count}:{video.info.video.index}]"
        self._count += 1
        return label, video.info, shift


def _join(
    videos: Mapping[str, StoredVideo], request: PieceRequest, last: Sequence[str]
) -> Iterator[str]:
    """Return the filters from the clip spans to the piece: transition, overlays, subtitles."""
    fps = request.output.fps
    under = "[take0]"
    if request.transition:
        seconds = float(request.frames / fps)
        xfade = f"xfade=transition={request.transition}:duration={seconds:.6f}:offset=0"
        yield f"[take0][take1]{xfade}[joined]"
        under = "[joined]"
    for index, inset in enumerate(request.insets):
        # A transition may have negotiated another format.
        over = overlay_video(videos[inset.take.sha256].info, inset, request.output)
        yield f"{under}format=yuv420p[under{index}];[under{index}][inset{index}]{over}[laid{index}]"
        under = f"[laid{index}]"
    filters = [
        *_write_over(request.titles, TITLES_NAME),
        *_write_over(request.lettering, SUBTITLES_NAME),
        "format=yuv420p",
        TAGS,
        *last,
    ]
    yield f"{under}{','.join(filters)}[piece]"


def _write_over(lettering: PieceSubtitles, filename: str) -> list[str]:
    if not lettering.shown:
        return []
    lead = lead_frames(lettering)
    return [
        f"setpts=PTS+{lead}",
        f"subtitles=filename={filename}:fontsdir={FONTS_FOLDER}",
        f"setpts=PTS-{lead}",
    ]
