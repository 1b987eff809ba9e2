"""An animated preview: short silent excerpts from the whole video, by seeking.

H.264 in MP4: every browser plays it in a loop without a click (``<video autoplay loop muted>``),
and PyAV reads it back, which it cannot with an animated WebP.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.previews.duration import reject_truncated
from cinemill.capabilities.previews.stills import count_decoders, seek_before, spread_timestamps
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.errors import OutputInvalid
from cinemill.media.color.convert import choose_playable, declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.encoding.transparency import flatten
from cinemill.media.ffmpeg.arguments import deinterlace, fit_height, input_arguments
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.expected_output import PlannedOutput
from cinemill.media.verify.outputs import inspect_output

ANIMATION_NAME = "animated.mp4"
ANIMATION_HEIGHT = 240
ANIMATION_FPS = Fraction(10)
MAX_EXCERPTS = 8
EXCERPT_FRAMES = 8
EXCERPT_SECONDS = EXCERPT_FRAMES / ANIMATION_FPS
_CRF = 28
_SLACK_SECONDS = Fraction(1, 400)
"""Containers that keep milliseconds shift frames by half of one."""


def spread_excerpts(info: MediaInfo, duration_seconds: Fraction) -> tuple[Fraction, ...]:
    """Return where each excerpt begins: the middles of equal intervals.

    There are as many as do not overlap and as may be decoded at once.
    """
    limit = min(MAX_EXCERPTS, count_decoders(info))
    count = max(1, min(limit, int(duration_seconds / EXCERPT_SECONDS)))
    middles = spread_timestamps(duration_seconds, count)
    return tuple(max(Fraction(0), middle - EXCERPT_SECONDS / 2) for middle in middles)


def render_animated_preview(
    session: FfmpegSession, source: Path, info: MediaInfo, timestamps: Sequence[Fraction]
) -> dict[str, Any]:
    """Create ``animated.mp4`` from excerpts that begin at these times; return its facts.

    Raises MediaRejected (``media_truncated``), OutputInvalid, CommandFailed, CommandStalled,
    DiskFull, and whatever ``session.should_stop`` returns.
    """
    size = fit_height(info.video.display_width, info.video.display_height, ANIMATION_HEIGHT)
    output = PlannedOutput(
        ArtifactKind.ANIMATED_PREVIEW, ANIMATION_NAME, "video/mp4", *size, ANIMATION_FPS
    )
    arguments = plan_animation(
        str(source),
        info,
        timestamps,
        output,
        can_tonemap=session.binary.can_tonemap,
        max_pixels=session.limits.max_pixels,
    )
    report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
    reject_truncated(report.tally)
    facts = inspect_output(session.folder / ANIMATION_NAME, output)
    planned = len(timestamps) * EXCERPT_FRAMES
    if facts["frames"] != planned:
        raise OutputInvalid(f"{ANIMATION_NAME} has {facts['frames']} frames of {planned}.")
    return facts


def plan_animation(
    source: str,
    info: MediaInfo,
    timestamps: Sequence[Fraction],
    output: PlannedOutput,
    *,
    can_tonemap: bool,
    max_pixels: int,
) -> list[str]:
    """Return FFmpeg's arguments: the video opened once per excerpt, a little before it begins."""
    arguments: list[str] = []
    chains = []
    for number, timestamp in enumerate(timestamps):
        seek, place = seek_before(info, timestamp)
        arguments += ["-threads", "1", *seek, *input_arguments(source, info, max_pixels)]
        filters = _excerpt_filters(info, output, place, can_tonemap)
        chains.append(f"[{number}:{info.video.index}]{','.join(filters)}[excerpt{number}]")
    labels = "".join(f"[excerpt{number}]" for number in range(len(timestamps)))
    # After concatenation a clock that ticks once a frame: all frames last equally long.
    joined = f"{labels}concat=n={len(timestamps)},settb={1 / output.fps}[animation]"
    return [
        *arguments,
        *("-filter_complex", ";".join([*chains, joined]), "-map", "[animation]"),
        *("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(_CRF)),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
        *("-movflags", "+faststart", "-f", "mp4", output.filename),
    ]


def _excerpt_filters(
    info: MediaInfo, output: PlannedOutput, place: Fraction, can_tonemap: bool
) -> list[str]:
    source, size = find_color(info.video), (output.width, output.height)
    target = choose_playable(source, keeps_hdr=not can_tonemap)
    return [
        declare(source),
        *deinterlace(info),
        *flatten(info),
        "settb=AVTB",  # some clocks tick once a frame, and the excerpt may begin in between
        f"setpts=round(PTS-{float(place + _SLACK_SECONDS):.6f}/TB)",
        *_hold_last_frame(info),
        f"fps={output.fps}:round=up:start_time=0",
        f"tpad=stop_mode=clone:stop={EXCERPT_FRAMES}",  # at the video's end, its last frame stays
        f"trim=end_frame={EXCERPT_FRAMES}",
        *scale_to(size, source, target, "yuv420p", can_tonemap=can_tonemap),
    ]


def _hold_last_frame(info: MediaInfo) -> list[str]:
    """Return filters without which an excerpt would be empty that begins after the last frame."""
    if not info.video.holds_last_frame:
        return []
    return [f"tpad=stop_mode=clone:stop_duration={info.video.last_frame_seconds:.6f}"]
