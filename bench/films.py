"""Videos for measurements."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.samples import fetch

from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.media.encoding.encode import find_encoder
from cinemill.media.encoding.encode_plan import EncodePlan, plan_encode
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.probe import probe


def plan_rendition(
    ffmpeg_binary: FfmpegBinary, film: Path, request: RenditionRequest
) -> EncodePlan:
    """Return the command with which Cinemill would encode this video."""
    return plan_encode(
        str(film),
        probe(film, Limits()),
        request,
        encoder=find_encoder(ffmpeg_binary, request.codec),
        can_tonemap=ffmpeg_binary.can_tonemap,
        max_pixels=Limits().max_pixels,
    )


def create_real_video(ffmpeg_binary: FfmpegBinary, film: Path, height: int, seconds: int) -> Path:
    """Create an enlarged real video, because decoding a test pattern is not representative."""
    source = ["-stream_loop", "-1", "-i", str(fetch("bigbuckbunny")), "-t", str(seconds)]
    picture = ["-vf", f"scale=-2:{height}", "-c:v", "libx264", "-preset", "fast", "-crf", "20"]
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", *source, *picture]
    subprocess.run([*command, "-c:a", "aac", "-ac", "2", str(film)], check=True)
    return film


def repeat(ffmpeg_binary: FfmpegBinary, film: Path, to: Path, seconds: int) -> Path:
    """Repeat the pictures of a video without encoding them again, up to a length."""
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", "-stream_loop", "-1"]
    command += ["-i", str(film), "-t", str(seconds), "-map", "0:v", "-c", "copy", str(to)]
    subprocess.run(command, check=True)
    return to
