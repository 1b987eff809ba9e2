"""One decode for every output compared with one command per output, and with decoding alone.

The separate commands create the same files with the same filters and encoders. They create the
poster the fast way, by seeking; the thumbnail, late in the video, the exact way, by decoding up to
it: that is what preparing provides for containers whose index cannot be trusted. Because much
depends on that choice, the ratio with both stills created by seeking is printed too, without a
target. Preparing includes opening and checking every output afterwards.
"""

from __future__ import annotations

import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

from bench.films import create_real_video
from bench.report import BenchRow, alternate, print_table
from cinemill.capabilities.ingest.graph import plan_prepare, poster_seconds
from cinemill.capabilities.ingest.prepare import prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe
from cinemill.media.verify.expected_output import PlannedOutput

ROUNDS = 3
_SIZES = (("1080p", 1080, 20, 0.34), ("4K", 2160, 10, 0.25))
_NULL_TARGET = 1.9


def measure() -> list[BenchRow]:
    """Measure ratios for 20 s of 1080p and 10 s of 4K H.264 with audio."""
    ffmpeg_binary = find_ffmpeg(None)
    # Under bubblewrap the caller cannot see a command's processor time.
    sandbox = Sandbox(setpriv=detect_sandbox("off").setpriv, prlimit=detect_sandbox("off").prlimit)
    rows: list[BenchRow] = []
    with tempfile.TemporaryDirectory() as name:
        for label, height, seconds, target in _SIZES:
            film = create_real_video(ffmpeg_binary, Path(name) / f"{label}.mp4", height, seconds)
            rows += _measure_video(ffmpeg_binary, sandbox, film, label, target)
    return rows


def _measure_video(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, label: str, target: float
) -> list[BenchRow]:
    info = probe(film, Limits())
    once, apart = alternate(
        lambda: _prepare(ffmpeg_binary, sandbox, film, info),
        lambda: _prepare_apart(ffmpeg_binary, film, info),
        ROUNDS,
    )
    again, bare = alternate(
        lambda: _prepare(ffmpeg_binary, sandbox, film, info),
        lambda: _decode(ffmpeg_binary, film),
        ROUNDS,
    )
    exact, sought = alternate(
        lambda: _thumbnail_apart(ffmpeg_binary, film, info, seek=False),
        lambda: _thumbnail_apart(ffmpeg_binary, film, info, seek=True),
        ROUNDS,
    )
    quick = apart - exact + sought
    return [
        BenchRow(
            f"one decode / separate commands, {label}",
            once / apart,
            target,
            detail=f"{once:.2f} s / {apart:.2f} s of CPU, medians of {ROUNDS}",
        ),
        BenchRow(
            f"the same, both stills by seeking, {label}",
            once / quick,
            None,
            detail=f"{once:.2f} s / {quick:.2f} s of CPU",
        ),
        BenchRow(
            f"one decode / bare decoding, {label}",
            again / bare,
            _NULL_TARGET,
            detail=f"{again:.2f} s / {bare:.2f} s of CPU, medians of {ROUNDS}",
        ),
    ]


def _request(info: MediaInfo) -> PrepareRequest:
    return PrepareRequest(thumbnail_seconds=Fraction(int(info.duration_seconds_from_header * 0.9)))


def _prepare(ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, info: MediaInfo) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepare(
            FfmpegSession(ffmpeg_binary, Path(folder), Limits(), sandbox),
            film,
            info,
            _request(info),
        )


def _prepare_apart(ffmpeg_binary: FfmpegBinary, film: Path, info: MediaInfo) -> None:
    plan = plan_prepare(
        str(film), info, _request(info), can_tonemap=ffmpeg_binary.can_tonemap, max_pixels=10**8
    )
    with tempfile.TemporaryDirectory() as folder:
        for output in plan.outputs:
            _run(ffmpeg_binary, _single_command(film, info, output, Path(folder)))


def _thumbnail_apart(
    ffmpeg_binary: FfmpegBinary, film: Path, info: MediaInfo, *, seek: bool
) -> None:
    moment = str(_request(info).thumbnail_seconds)
    scale = ["-vf", "scale=-2:720", "-frames:v", "1", "-q:v", "3"]
    exact = ["-i", str(film), "-vf", f"select=gte(t\\,{moment}),scale=-2:720", *scale[2:]]
    with tempfile.TemporaryDirectory() as folder:
        still = str(Path(folder) / "still.jpg")
        _run(
            ffmpeg_binary,
            ["-ss", moment, "-i", str(film), *scale, still] if seek else [*exact, still],
        )


def _single_command(film: Path, info: MediaInfo, output: PlannedOutput, folder: Path) -> list[str]:
    size = f"{output.width}:{output.height}"
    still = ["-frames:v", "1", "-q:v", "3"]
    tiles = 6
    commands = {
        ArtifactKind.PROXY: [
            *("-vf", f"fps=10,scale={size}", "-c:v", "libx264", "-preset", "veryfast"),
            *("-crf", "26", "-g", "10", "-c:a", "aac", "-b:a", "96k", "-ac", "2"),
            *("-movflags", "+faststart"),
        ],
        ArtifactKind.POSTER: ["-vf", f"scale={size}", *still],
        ArtifactKind.THUMBNAIL: [
            *("-vf", f"select=gte(t\\,{_request(info).thumbnail_seconds}),scale={size}", *still)
        ],
        ArtifactKind.SPRITE: ["-vf", f"fps=1,scale=160:90,tile=10x{tiles}", *still],
        ArtifactKind.SHOT_FRAMES: [
            *("-vf", f"scale={size}:flags=area", "-fps_mode", "passthrough", "-c:v", "ffv1"),
            *("-level", "3", "-g", "1", "-an"),
        ],
        ArtifactKind.MODEL_FRAMES: [
            *("-vf", f"fps=1,scale={size}", "-c:v", "mjpeg", "-q:v", "3", "-an")
        ],
        ArtifactKind.AUDIO: ["-vn", "-ar", "16000", "-ac", "1", "-c:a", "flac"],
    }
    seek = ["-ss", str(float(poster_seconds(info)))] if output.kind is ArtifactKind.POSTER else []
    return [*seek, "-i", str(film), *commands[output.kind], str(folder / output.filename)]


def _decode(ffmpeg_binary: FfmpegBinary, film: Path) -> None:
    _run(ffmpeg_binary, ["-i", str(film), "-map", "0:v", "-f", "null", "-"])


def _run(ffmpeg_binary: FfmpegBinary, arguments: list[str]) -> None:
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    print_table(measure())
