"""Quality of a rendition compared with its source: VMAF, measured by FFmpeg's libvmaf.

The source passes through the filters with which it was encoded (deinterlaced, scaled, tone-mapped),
so that only the encoder is measured. Frames are paired by number, not by timestamp, which
containers round.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.media import MediaInfo
from cinemill.errors import InputRejected, OutputInvalid, ToolMissing
from cinemill.media.encoding.encode_plan import fit_box, plan_video_filters
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.containers import DEMUXERS
from cinemill.media.ffmpeg.process import FfmpegProgress
from cinemill.media.ffmpeg.session import FfmpegSession

LOG_FILENAME = "vmaf.json"
MAX_FRAMES = 1500
"""Every frame of a minute at 25 frames a second; in a longer video as many, evenly spread."""
MIN_SIDE_PIXELS = 32
"""libvmaf halves a frame four times, and crashes on smaller ones."""
MODEL, LARGE_MODEL = "vmaf_v0.6.1", "vmaf_4k_v0.6.1"
LARGE_MODEL_LINES = 1440
"""If the shorter side is above this, the 4K model applies."""
_THREADS = 2
"""Each thread holds a dozen copies of the frame."""
_KEY_FRAME_FACTOR = 5
_CLOCK = "settb=1/25,setpts=N"


@dataclass(frozen=True, slots=True)
class Quality:
    """The measured quality."""

    vmaf: float
    """Arithmetic mean over the measured frames, 0 to 100: the usual meaning of a single figure."""
    vmaf_least: float
    """VMAF of the worst measured frame."""
    every: int
    """One frame in this many was measured."""
    model: str
    cpu_seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "vmaf": self.vmaf,
            "vmaf_least": self.vmaf_least,
            "vmaf_every": self.every,
            "vmaf_model": self.model,
        }


def require_vmaf(ffmpeg_binary: FfmpegBinary, info: MediaInfo, request: RenditionRequest) -> None:
    """Raise if VMAF could not be measured, before anything is encoded.

    Raises ToolMissing or InputRejected (``combination_impossible``).
    """
    if "libvmaf" not in ffmpeg_binary.filters:
        raise ToolMissing(
            f"The FFmpeg at {ffmpeg_binary.ffmpeg} cannot measure VMAF: it has no libvmaf.",
            hint="Set FFMPEG_PATH to one that has, such as the one in the package "
            "imageio-ffmpeg, or leave vmaf_min out.",
        )
    width, height = fit_box(info, request)
    if min(width, height) < MIN_SIDE_PIXELS:
        raise InputRejected(
            f"VMAF cannot be measured at a frame size of {width}x{height}.",
            code="combination_impossible",
            hint=f"Request at least {MIN_SIDE_PIXELS} pixels a side, or leave vmaf_min out.",
        )


def measure_vmaf(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    rendition: Path,
    *,
    frames: int,
) -> Quality:
    """Compare ``rendition``, encoded from ``source`` by ``request``, with it, frame by frame.

    ``frames`` is the number of the rendition's frames, which must equal the source's after its
    filters. A log is left in the folder.

    Raises ToolMissing, InputRejected (``combination_impossible``), OutputInvalid, CommandFailed,
    CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    require_vmaf(session.binary, info, request)
    every = choose_interval(frames)

    def on_progress(progress: FfmpegProgress) -> None:
        session.on_progress(min(1.0, progress.frame / frames))

    report = session.run(
        plan_measuring(
            str(source),
            info,
            request,
            str(rendition),
            every=every,
            can_tonemap=session.binary.can_tonemap,
            max_pixels=session.limits.max_pixels,
        ),
        readable=[source, rendition],
        on_progress=on_progress,
    )
    vmaf, least = read_scores(session.folder / LOG_FILENAME, frames=math.ceil(frames / every))
    model = choose_model(info, request)
    return Quality(vmaf, least, every, model, report.tally.cpu_seconds)


def choose_interval(frames: int) -> int:
    """Return n, if one frame in n is measured.

    Odd and no multiple of five: encoders distribute bits in patterns of 2, 4, 8 or 250 frames, and
    otherwise only the good frames of each pattern would be measured.
    """
    every = max(1, math.ceil(frames / MAX_FRAMES))
    while every > 1 and (every % 2 == 0 or every % _KEY_FRAME_FACTOR == 0):
        every += 1
    return every


def choose_model(info: MediaInfo, request: RenditionRequest) -> str:
    """Return one of the models built into libvmaf, by the size of the rendition."""
    return LARGE_MODEL if min(fit_box(info, request)) > LARGE_MODEL_LINES else MODEL


def plan_measuring(
    source: str,
    info: MediaInfo,
    request: RenditionRequest,
    rendition: str,
    *,
    every: int,
    can_tonemap: bool,
    max_pixels: int,
) -> list[str]:
    """Return FFmpeg's arguments: source and rendition in (paths), a log of scores out."""
    demuxer = DEMUXERS[request.container]
    filters, _ = plan_video_filters(info, request, fit_box(info, request), can_tonemap)
    options = [f"model=version={choose_model(info, request)}", f"n_subsample={every}"]
    options += [f"n_threads={_THREADS}", f"log_path={LOG_FILENAME}", "log_fmt=json"]
    options += ["shortest=1", "repeatlast=0"]
    graph = [
        f"[1:v:0]{filters[-1]},{_CLOCK}[made]",
        f"[0:{info.video.index}]{','.join(filters)},{_CLOCK}[film]",
        f"[made][film]libvmaf={':'.join(options)}[seen]",
    ]
    return [
        *input_arguments(source, info, max_pixels),
        *("-f", demuxer, "-format_whitelist", demuxer, "-protocol_whitelist", "file"),
        *("-i", f"file:{rendition}", "-filter_complex", ";".join(graph)),
        *("-map", "[seen]", "-fps_mode", "passthrough", "-f", "null", "-"),
    ]


def read_scores(log: Path, *, frames: int) -> tuple[float, float]:
    """Return the mean and least VMAF from libvmaf's log, which must contain this many ``frames``.

    Raises OutputInvalid.
    """
    try:
        document = json.loads(log.read_bytes())
        pooled = document["pooled_metrics"]["vmaf"]
        seen, mean, least = len(document["frames"]), float(pooled["mean"]), float(pooled["min"])
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise OutputInvalid(f"{log.name} cannot be read: {broken!r}") from broken
    if seen != frames:
        raise OutputInvalid(f"{seen} frames could be compared with the source, not {frames}.")
    if not 0 <= least <= mean <= 100:
        raise OutputInvalid(f"{log.name} reports a VMAF of {mean}, at least {least}.")
    return round(mean, 2), round(least, 2)
