"""Cost and result of each preset: processor time, speed, bitrate and VMAF of real videos.

Also measures how many steps of crf halve the distance to a VMAF of 100.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.samples import fetch

from bench.report import BenchRow
from cinemill.capabilities.transcode.vmaf import Quality, measure_vmaf
from cinemill.capabilities.transcode.vmaf_target import CRF_TO_HALVE
from cinemill.core.encoding.rendition import (
    HIGHEST_VMAF,
    Container,
    Purpose,
    RenditionRequest,
    SoundChoice,
    VideoCodec,
)
from cinemill.core.media import MediaInfo
from cinemill.media.encoding.encode import EncodeOutcome, encode
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

FILMS = ("bigbuckbunny", "expressive_face")
"""Animation, 1280x720, 5 s; camera, 640x360, 20 s. Neither has much grain."""


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: EncodeOutcome
    quality: Quality
    wall_seconds: float
    size_bytes: int


def measure() -> list[BenchRow]:
    rows: list[BenchRow] = []
    with tempfile.TemporaryDirectory() as name:
        for film in FILMS:
            path = fetch(film)
            info = probe(path, Limits())
            for codec in VideoCodec:
                rows += _measure_codec(film, path, info, codec, Path(name) / "work")
    return rows


def _measure_codec(
    film: str, path: Path, info: MediaInfo, codec: VideoCodec, folder: Path
) -> list[BenchRow]:
    rows = []
    for purpose in Purpose:
        request = RenditionRequest(
            codec=codec, container=Container.MKV, sound=SoundChoice.NONE, purpose=purpose
        )
        made = _make(path, info, request, folder)
        rows.append(_preset_row(f"{purpose.value} {codec.value}, {film}", made))
        if purpose is Purpose.WEB:
            steps = _measure_steps(path, info, request, made.quality.vmaf, folder)
            rows.append(BenchRow(f"crf that halves the loss, {codec.value}, {film}", steps, None))
    return rows


def _preset_row(name: str, made: _Result) -> BenchRow:
    seconds = made.outcome.facts["duration_seconds"]
    cost, speed = made.outcome.cpu_seconds / seconds, seconds / made.wall_seconds
    bitrate_kbps = made.size_bytes * 8 / seconds / 1000
    gauge = made.quality.cpu_seconds / seconds
    how = f"{cost:.2f} s of CPU a second of film, {speed:.2g} x real time, {bitrate_kbps:.0f} kb/s;"
    how += f" worst frame {made.quality.vmaf_least:.1f}; measured in {gauge:.2f} s of CPU a second"
    return BenchRow(f"VMAF of {name}", made.quality.vmaf, None, "", how)


def _measure_steps(
    path: Path, info: MediaInfo, request: RenditionRequest, vmaf: float, folder: Path
) -> float:
    """Measure from the preset's crf to a worse one, further by what the rule takes for twice."""
    steps = CRF_TO_HALVE[request.codec]
    worse = _make(
        path, info, request.model_copy(update={"crf": request.effective_crf + steps}), folder
    )
    lost = (HIGHEST_VMAF - worse.quality.vmaf) / (HIGHEST_VMAF - vmaf)
    return steps / math.log2(lost)


def _make(path: Path, info: MediaInfo, request: RenditionRequest, folder: Path) -> _Result:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ffmpeg_binary, sandbox = find_ffmpeg(None), detect_sandbox("off")
    began = time.perf_counter()
    outcome = encode(FfmpegSession(ffmpeg_binary, folder, Limits(), sandbox), path, info, request)
    wall_seconds = time.perf_counter() - began
    quality = measure_vmaf(
        FfmpegSession(ffmpeg_binary, folder, Limits(), sandbox),
        path,
        info,
        request,
        outcome.path,
        frames=outcome.facts["frames"],
    )
    return _Result(outcome, quality, wall_seconds, outcome.path.stat().st_size)
