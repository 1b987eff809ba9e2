"""What a vision model is sent of a range of a stored video: a clip, or frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cinemill.capabilities.analysis.providers.protocol import ClipFrames, Material, VideoClip
from cinemill.capabilities.analysis.providers.ranges import Range
from cinemill.core.media import ArtifactKind, MediaInfo, SourceFormat
from cinemill.errors import InputRejected
from cinemill.media.color.convert import choose_playable, declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.encoding.transparency import flatten
from cinemill.media.ffmpeg.arguments import deinterlace, fit_height, open_arguments
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.steps.resources import ffmpeg_session
from cinemill.steps.service_settings import VisionInput
from cinemill.steps.stored_video import StoredVideo, find_artifact_path

CLIP_HEIGHT, CLIP_FPS, CLIP_CRF = 480, 10, 28
CLIP_FILENAME = "range.mp4"
FRAMES_PER_RANGE = 8
MAX_WIDTH_PX, MAX_PIXELS = 768, 768 * 768
MATERIAL_SHARE = 0.3
"""Share of the step's progress that making it takes."""


def make_material(
    video: StoredVideo, media: MediaInfo, extent: Range, wanted: VisionInput
) -> Material:
    """Return what the model is sent of a range (milliseconds, half-open).

    Raises MediaRejected, CommandFailed, CommandStalled, InputRejected (``video_empty``).
    """
    if wanted is VisionInput.FRAMES:
        return ClipFrames(_read_frames(video, extent))
    return VideoClip(_cut_clip(video, media, extent))


def _read_frames(video: StoredVideo, extent: Range) -> tuple[bytes, ...]:
    index = video.read_index()
    start_ms, end_ms = extent
    step = (end_ms - start_ms) / FRAMES_PER_RANGE
    times = [round(start_ms + step * (number + 0.5)) for number in range(FRAMES_PER_RANGE)]
    pts = sorted({int(index.pts[index.shown_at(time_ms)]) for time_ms in times})
    frames = video.read_frames(index, pts, max_width=MAX_WIDTH_PX, max_pixels=MAX_PIXELS)
    images = tuple(encode_jpeg(frame.pixels) for frame in frames)
    if not images:
        raise InputRejected("The range has no frames.", code="video_empty")
    return images


def _cut_clip(video: StoredVideo, media: MediaInfo, extent: Range) -> Path:
    """Cut a range out of the proxy, which begins at the first frame, else out of the original."""
    session = ffmpeg_session(
        video.resources, video.context, "Cutting a clip for the model", share=MATERIAL_SHARE
    )
    proxy = find_artifact_path(video.resources, video.asset, ArtifactKind.PROXY)
    source = proxy or video.path
    lead_seconds = 0.0 if proxy else media.start_seconds - media.clock_start_seconds
    arguments = plan_clip(
        str(source),
        _describe_proxy(media) if proxy else media,
        extent,
        picture=plan_clip_picture(media, session.binary, is_proxy=proxy is not None),
        lead_seconds=lead_seconds,
        max_pixels=session.limits.max_pixels,
    )
    seconds = (extent[1] - extent[0]) / 1000
    session.run(
        arguments,
        readable=[source],
        on_progress=share_of_time(session.on_progress, seconds),
    )
    return session.folder / CLIP_FILENAME


def _describe_proxy(media: MediaInfo) -> MediaInfo:
    """Return how the proxy of a video is opened."""
    picture = replace(media.video, index=0, alpha_decoder="")
    return replace(media, format=SourceFormat.MP4, video=picture)


def plan_clip_picture(
    media: MediaInfo, ffmpeg_binary: FfmpegBinary, *, is_proxy: bool
) -> list[str]:
    """Return the filters of a clip's frames; a proxy of the video already has a clip's colors."""
    can_tonemap = ffmpeg_binary.can_tonemap
    stored = find_color(media.video)
    shown = choose_playable(stored, keeps_hdr=not can_tonemap)
    color = shown if is_proxy else stored
    size = fit_height(media.video.display_width, media.video.display_height, CLIP_HEIGHT)
    scaled = scale_to(size, color, shown, "yuv420p", can_tonemap=can_tonemap)
    whole = [] if is_proxy else [*deinterlace(media), *flatten(media)]
    return [declare(color), *whole, f"fps={CLIP_FPS}:round=up", *scaled]


def plan_clip(
    source: str,
    opened: MediaInfo,
    extent: Range,
    *,
    picture: Sequence[str],
    lead_seconds: float,
    max_pixels: int,
) -> list[str]:
    """Return FFmpeg's arguments for a small clip of a range, without sound.

    ``opened`` tells how the source is opened, ``lead_seconds`` is how long after the file's start
    its first frame is shown; ``picture`` are the filters of its frames.
    """
    start_ms, end_ms = extent
    return [
        *("-ss", f"{max(0.0, lead_seconds + start_ms / 1000):.3f}"),
        *open_arguments(source, opened, max_pixels),
        *("-t", f"{(end_ms - start_ms) / 1000:.3f}"),
        *("-map", f"0:{opened.video.index}", "-vf", ",".join(picture)),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", str(CLIP_CRF)),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
        *("-movflags", "+faststart", "-f", "mp4", CLIP_FILENAME),
    ]
