"""Comparison of FFmpeg's outputs with the plan: an exit code of 0 proves nothing.

These files were written by our own encoders into our own folder, so they are read in the worker.
"""

from __future__ import annotations

import itertools
import statistics
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from cinemill.core.media import ArtifactKind
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import AUDIO_RATE_HZ
from cinemill.media.ffmpeg.containers import find_demuxer
from cinemill.media.probe.last_frame import read_frames
from cinemill.media.verify.expected_output import PlannedOutput

_CODECS = {
    ArtifactKind.PROXY: "h264",
    ArtifactKind.ANIMATED_PREVIEW: "h264",
    ArtifactKind.SHOT_FRAMES: "ffv1",
    ArtifactKind.MODEL_FRAMES: "mjpeg",
}
_PIECE_BYTES = 16


def inspect_output(path: Path, planned: PlannedOutput) -> dict[str, Any]:
    """Return facts about a written output: width, height, frames, duration_seconds and the like.

    Raises OutputInvalid if it is missing, empty, unreadable or not as planned.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise OutputInvalid(f"{planned.filename} was not written.")
    try:
        with path.open("rb") as file, av.open(file, format=find_demuxer(path.name)) as container:
            if planned.media_type == "image/jpeg":
                return _inspect_still(container, planned)
            if planned.kind is ArtifactKind.AUDIO:
                return _inspect_audio(container, planned)
            if planned.media_type == "audio/mp4":
                return _inspect_sound(container, path, planned)
            return _inspect_video(container, path, planned)
    except (av.FFmpegError, StopIteration, IndexError) as broken:
        raise OutputInvalid(f"{planned.filename} cannot be read back: {broken}") from broken


def _inspect_still(container: Any, planned: PlannedOutput) -> dict[str, Any]:
    frame = next(container.decode(container.streams.video[0]))
    _expect_size(frame, planned)
    return {"width": frame.width, "height": frame.height}


def _inspect_audio(container: Any, planned: PlannedOutput) -> dict[str, Any]:
    stream = container.streams.audio[0]
    if stream.codec_context.sample_rate != AUDIO_RATE_HZ or stream.channels != 1:
        raise OutputInvalid(f"{planned.filename} is not {AUDIO_RATE_HZ} Hz mono.")
    ticks = sum(packet.duration or 0 for packet in container.demux(stream))
    return {
        "sample_rate_hz": AUDIO_RATE_HZ,
        "channels": 1,
        "samples": round(ticks * stream.time_base * AUDIO_RATE_HZ),
        "duration_seconds": float(ticks * stream.time_base),
    }


def _inspect_sound(container: Any, path: Path, planned: PlannedOutput) -> dict[str, Any]:
    """Return facts about the preview copy of sound alone."""
    stream = container.streams.audio[0]
    if stream.codec_context.codec.canonical_name != "aac" or container.streams.video:
        raise OutputInvalid(f"{planned.filename} does not hold AAC alone.")
    if not starts_fast(path):
        raise OutputInvalid(f"{planned.filename} has its index at the end.")
    ends = [
        packet.pts + (packet.duration or 0)
        for packet in container.demux(stream)
        if packet.pts is not None
    ]
    return {
        "sample_rate_hz": stream.codec_context.sample_rate,
        "channels": stream.channels,
        "has_sound": True,
        "duration_seconds": float(max(ends, default=0) * stream.time_base),
    }


def _inspect_video(container: Any, path: Path, planned: PlannedOutput) -> dict[str, Any]:
    stream = container.streams.video[0]
    if stream.codec_context.name != _CODECS[planned.kind]:
        raise OutputInvalid(f"{planned.filename} holds {stream.codec_context.name}.")
    first = next(container.decode(stream))
    _expect_size(first, planned)
    container.seek(0)
    times, end = read_frames(container, stream)
    if not times:
        raise OutputInvalid(f"{planned.filename} has no frames.")
    if planned.fps:
        end = times[-1] + round(1 / planned.fps / stream.time_base)
    facts = {
        "width": first.width,
        "height": first.height,
        "frames": len(times),
        "start_seconds": float(times[0] * stream.time_base),
        "duration_seconds": float((end - times[0]) * stream.time_base),
    }
    if planned.kind is ArtifactKind.SHOT_FRAMES:
        facts |= _find_gap(times, stream.time_base)
    if planned.kind in (ArtifactKind.PROXY, ArtifactKind.ANIMATED_PREVIEW):
        facts |= _inspect_playable(container, path, planned)
    return facts


def _find_gap(times: list[int], time_base: Fraction) -> dict[str, float]:
    """Return the longest gap between two frames if it is longer than usual."""
    steps = [(after - before, before) for before, after in itertools.pairwise(times)]
    if not steps:
        return {}
    longest, at = max(steps)
    usual = statistics.median(step for step, _ in steps)
    return {
        "usual_step_seconds": float(usual * time_base),
        "longest_step_seconds": float(longest * time_base),
        "longest_step_at_seconds": float((at - times[0]) * time_base),
    }


def _inspect_playable(container: Any, path: Path, planned: PlannedOutput) -> dict[str, Any]:
    if not starts_fast(path):
        raise OutputInvalid(f"{planned.filename} has its index at the end.")
    return {"fps": float(planned.fps), "has_sound": bool(container.streams.audio)}


def starts_fast(path: Path) -> bool:
    """Check whether ``moov`` comes before ``mdat``.

    Playback can then begin before the whole file is loaded.
    """
    start = 0
    with path.open("rb") as file:
        while len(head := file.read(_PIECE_BYTES)) >= 8:
            kind, size = head[4:8], int.from_bytes(head[:4])
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            start += max(8, size)
            file.seek(start)
    return False


def _expect_size(frame: Any, planned: PlannedOutput) -> None:
    if (frame.width, frame.height) != (planned.width, planned.height):
        raise OutputInvalid(
            f"{planned.filename} is {frame.width}x{frame.height}, "
            f"not {planned.width}x{planned.height}."
        )
