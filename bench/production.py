"""Cost of a rendition over its bare FFmpeg command, and of previews over decoding the video."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from bench.films import create_real_video, plan_rendition
from bench.report import BenchRow, alternate
from cinemill.capabilities.previews.animated_preview import (
    ANIMATION_NAME,
    render_animated_preview,
    spread_excerpts,
)
from cinemill.capabilities.previews.contact_sheet import SHEET_NAME, render_contact_sheet
from cinemill.capabilities.previews.stills import extract_stills, spread_timestamps
from cinemill.capabilities.streaming.encode_ladder import copy_stream, list_rungs
from cinemill.capabilities.streaming.encode_plan import plan_ladder
from cinemill.capabilities.streaming.ladder import Rung
from cinemill.core.encoding.rendition import Purpose, read_rendition
from cinemill.core.media import MediaInfo
from cinemill.media.encoding.encode import encode
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

ROUNDS = 3
MINUTE = 60
OPTIONS = {"codec": "h264", "height": 360, "preset": "mobile"}
PREVIEWS = 20
RUNGS = 3
LADDER_SECONDS = 20


def measure() -> list[BenchRow]:
    ffmpeg_binary = find_ffmpeg(None)
    # Under bubblewrap the caller cannot see a command's processor time.
    sandbox = Sandbox(setpriv=detect_sandbox("off").setpriv, prlimit=detect_sandbox("off").prlimit)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minute = _create_video(ffmpeg_binary, folder / "minute.mp4", MINUTE)
        ten = _create_video(ffmpeg_binary, folder / "ten.mp4", 10 * MINUTE)
        return [
            _measure_transcode(ffmpeg_binary, sandbox, minute, folder),
            _measure_previews(ffmpeg_binary, sandbox, ten, folder),
            _measure_extras(ffmpeg_binary, sandbox, ten, folder),
            _measure_ladder(ffmpeg_binary, folder),
            _measure_opening(ffmpeg_binary, sandbox, ten, folder),
        ]


def _measure_transcode(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, folder: Path
) -> BenchRow:
    info, request = probe(film, Limits()), read_rendition(OPTIONS)
    plan = plan_rendition(ffmpeg_binary, film, request)

    def ours() -> None:
        work = _fresh(folder / "ours")
        encode(FfmpegSession(ffmpeg_binary, work, Limits(), sandbox), film, info, request)

    def bare() -> None:
        _run(ffmpeg_binary, plan.arguments, _fresh(folder / "bare"))

    made, alone = alternate(ours, bare, ROUNDS)
    return BenchRow(
        "transcode over the same bare FFmpeg command, 60 s of 720p",
        made / alone,
        1.02,
        detail=f"{made:.2f} s / {alone:.2f} s of CPU, including the check, medians of {ROUNDS}",
    )


def _measure_previews(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, folder: Path
) -> BenchRow:
    info = probe(film, Limits())

    def ours() -> None:
        extract_stills(
            FfmpegSession(ffmpeg_binary, _fresh(folder / "stills"), Limits(), sandbox),
            film,
            info,
            spread_timestamps(_seconds(info), PREVIEWS),
            height=360,
        )

    def decode() -> None:
        _run(ffmpeg_binary, ["-i", str(film), "-map", "0:v", "-f", "null", "-"], folder)

    made, alone = alternate(ours, decode, ROUNDS)
    return BenchRow(
        f"{PREVIEWS} previews of a 10-minute video over decoding it once",
        made / alone,
        0.25,
        detail=f"{made:.2f} s / {alone:.2f} s of CPU, a key frame every 250, medians of {ROUNDS}",
    )


def _measure_extras(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, folder: Path
) -> BenchRow:
    """Measure what is added to the stills: the excerpts by seeking, the sheet from the stills."""
    info, work = probe(film, Limits()), _fresh(folder / "looks")
    session = FfmpegSession(
        ffmpeg_binary, work, Limits(), sandbox, lambda _share: None, lambda: None
    )
    stills = extract_stills(
        FfmpegSession(ffmpeg_binary, work, Limits(), sandbox),
        film,
        info,
        spread_timestamps(_seconds(info), PREVIEWS),
        height=360,
    )

    def ours() -> None:
        render_animated_preview(session, film, info, spread_excerpts(info, _seconds(info)))
        render_contact_sheet(session, stills, 4)

    def decode() -> None:
        _run(ffmpeg_binary, ["-i", str(film), "-map", "0:v", "-f", "null", "-"], folder)

    made, alone = alternate(ours, decode, ROUNDS)
    kib = sum((work / name).stat().st_size for name in (ANIMATION_NAME, SHEET_NAME)) >> 10
    return BenchRow(
        "an animated preview and a sheet of 20 stills over decoding it once",
        made / alone,
        0.25,
        detail=f"{made:.2f} s / {alone:.2f} s of CPU, {kib} KiB both, medians of {ROUNDS}",
    )


def _measure_ladder(ffmpeg_binary: FfmpegBinary, folder: Path) -> BenchRow:
    """Measure the same arguments for three rungs at once, and for each of them alone."""
    film = create_real_video(ffmpeg_binary, folder / "real.mp4", 1080, LADDER_SECONDS)
    info = probe(film, Limits())
    rungs = list_rungs(info)[:RUNGS]

    def run(some: Sequence[Rung]) -> None:
        pixels = Limits().max_pixels
        arguments = plan_ladder(film, info, some, Purpose.MOBILE, ffmpeg_binary, pixels)
        _run(ffmpeg_binary, arguments, _fresh(folder / "ladder"))

    def apart() -> None:
        for rung in rungs:
            run([rung])

    once, alone = alternate(lambda: run(rungs), apart, ROUNDS)
    return BenchRow(
        "a three-rung ladder over three separate commands",
        once / alone,
        0.66,
        detail=f"{once:.2f} s / {alone:.2f} s of CPU, {LADDER_SECONDS} s of 1080p, medians of 3",
    )


def _measure_opening(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, film: Path, folder: Path
) -> BenchRow:
    """Measure the work before a player can begin; the way through the queue adds 0.02 s."""
    walls = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work = _fresh(folder / "opened")
        session = FfmpegSession(
            ffmpeg_binary, work, Limits(), sandbox, lambda _share: None, lambda: None
        )
        copy_stream(session, film, probe(film, Limits()))
        walls.append(time.perf_counter() - began)
    return BenchRow(
        "10-minute H.264 video, probe and copy until it plays",
        statistics.median(walls),
        5,
        "s",
        f"wall, median of {ROUNDS}; {film.stat().st_size >> 20} MiB",
    )


def _seconds(info: MediaInfo) -> Fraction:
    return Fraction(info.duration_seconds_from_header).limit_denominator(1000)


def _create_video(ffmpeg_binary: FfmpegBinary, path: Path, seconds: int) -> Path:
    source = f"testsrc2=size=1280x720:rate=25:duration={seconds}"
    sound = f"sine=frequency=440:duration={seconds}"
    arguments = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", sound, "-c:v", "libx264"]
    arguments += ["-preset", "ultrafast", "-g", "250", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    _run(ffmpeg_binary, [*arguments, str(path)], path.parent)
    return path


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _run(ffmpeg_binary: FfmpegBinary, arguments: Sequence[str], folder: Path) -> None:
    command = [str(ffmpeg_binary.ffmpeg), "-y", "-v", "error", "-nostdin", *arguments]
    subprocess.run(command, check=True, cwd=folder)
