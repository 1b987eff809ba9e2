"""Hardware probing by a tiny encode: a driver lists encoders that no device behind it supports."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cinemill.core.encoding.rendition import RenditionRequest, VideoCodec
from cinemill.errors import CinemillError
from cinemill.media.encoding.hardware import Hardware, HardwareEncoder
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession

TRIAL_SECONDS = 10.0
ALL_TRIALS_SECONDS = 60.0
"""A broken driver may hang at each trial, and a worker must still start."""
TRIAL_FRAMES = 5
_SOURCE = "color=size=320x240:rate=25"
"""Larger than the smallest size that any encoder takes."""
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
_LEVEL = re.compile(r"\[(?:error|fatal|panic)\] ")
_DEEP_CODECS = frozenset({VideoCodec.H265, VideoCodec.VP9, VideoCodec.AV1})


def probe_all(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, candidates: Iterable[HardwareEncoder]
) -> Hardware:
    """Return which of these really encode here, each tried in order.

    Takes at most a minute in total.
    """
    give_up_at = time.monotonic() + ALL_TRIALS_SECONDS
    working: dict[str, HardwareEncoder] = {}
    refused: dict[str, str] = {}
    for candidate in candidates:
        if candidate.name in working:
            continue
        if time.monotonic() > give_up_at:
            refused[candidate.name] = "not tested: the previous tests took too long"
            continue
        reason = try_encoder(ffmpeg_binary, sandbox, candidate)
        if reason is None:
            deep = candidate.codec in _DEEP_CODECS and not try_encoder(
                ffmpeg_binary, sandbox, candidate, is_deep=True
            )
            working[candidate.name] = replace(candidate, is_deep=deep)
        else:
            refused[candidate.name] = reason
    still = {name: reason for name, reason in refused.items() if name not in working}
    return Hardware(tuple(working.values()), still)


def try_encoder(
    ffmpeg_binary: FfmpegBinary,
    sandbox: Sandbox,
    encoder: HardwareEncoder,
    *,
    is_deep: bool = False,
) -> str | None:
    """Encode a few frames in the sandbox used for any video; return why it failed, or None."""
    if encoder.name not in ffmpeg_binary.encoders:
        return f"this FFmpeg has no {encoder.name}"
    filters = ",".join(encoder.plan_filters(is_deep=is_deep))
    arguments = [
        *encoder.input_arguments,
        *("-f", "lavfi", "-i", _SOURCE, "-frames:v", str(TRIAL_FRAMES), "-vf", filters),
        *encoder.plan_arguments(RenditionRequest(codec=encoder.codec)),
        *("-f", "null", "-"),
    ]
    limits = Limits(wall_seconds=TRIAL_SECONDS, stall_seconds=TRIAL_SECONDS)
    with tempfile.TemporaryDirectory(prefix="cinemill-trial-") as folder:
        try:
            session = FfmpegSession(ffmpeg_binary, Path(folder), limits, sandbox)
            session.run(arguments, on_progress=lambda _: None, devices=encoder.devices)
        except CinemillError as error:
            return failure_reason(error)
    return None


def failure_reason(error: CinemillError) -> str:
    """Return the line of FFmpeg's log that names the cause, else the error's own sentence."""
    for line in error.log_tail.splitlines():
        cause = _LEVEL.sub("", _ADDRESS.sub("", line)).strip()
        if cause:
            return cause
    return error.message
