"""Encoding one source into one rendition that is verified to be complete, or the reason why not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from cinemill.core.encoding.rendition import Container, RenditionRequest, VideoCodec
from cinemill.core.media import MediaInfo
from cinemill.errors import OutputInvalid, ToolMissing
from cinemill.media.encoding.encode_plan import ENCODERS, EncodePlan, plan_encode
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.ffmpeg.binary import FfmpegBinary, try_encoder
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.integrity import Decoded, check_integrity, check_log, ends_cleanly
from cinemill.media.verify.outputs import starts_fast

DEMUXERS = {"video/mp4": "mov", "video/webm": "matroska", "video/x-matroska": "matroska"}
CODEC_NAMES = {
    VideoCodec.H264: "h264",
    VideoCodec.H265: "hevc",
    VideoCodec.VP9: "vp9",
    VideoCodec.AV1: "av1",
}
TOLERANCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class EncodeOutcome:
    """A verified rendition in the private folder."""

    path: Path
    media_type: str
    facts: dict[str, Any]
    """``codec``, ``encoder``, ``hardware`` (its vendor's name, or None), ``width``, ``height``,
    ``frames``, ``duration_seconds``, ``start_seconds``, ``sounds``, ``changes``."""
    cpu_seconds: float


def encode(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    *,
    hardware: HardwareEncoder | None = None,
) -> EncodeOutcome:
    """Encode the rendition in the session's folder, which must be empty and private.

    Encodes in software if ``hardware`` is None.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), InputRejected
    (``combination_impossible``), ToolMissing, OutputInvalid, CommandFailed, CommandStalled,
    DiskFull, and whatever ``should_stop`` returns.
    """
    plan = plan_encode(
        str(source),
        info,
        request,
        encoder=hardware or find_encoder(session.binary, request.codec),
        can_tonemap=session.binary.can_tonemap,
        max_pixels=session.limits.max_pixels,
    )
    report = session.run(
        plan.arguments,
        readable=[source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
        devices=hardware.devices if hardware else (),
    )
    path = session.folder / plan.filename
    facts = inspect_rendition(path, plan)
    tally = report.tally
    has_clean_end = ends_cleanly(source, info.format)
    # Checked before the source is judged by the output: frames that an encoder lost are the
    # encoder's fault.
    if plan.fps is None and facts["frames"] != tally.video_frames:
        check_log(tally, has_clean_end=has_clean_end)
        raise OutputInvalid(
            f"{tally.video_frames} frames were decoded and {facts['frames']} written."
        )
    audio_seconds = measure_audio(path, plan) if plan.audio_tracks else None
    decoded = Decoded(tally.video_frames, facts["duration_seconds"], audio_seconds)
    check_integrity(info, tally, decoded, has_clean_end=has_clean_end)
    facts |= {
        "encoder": plan.encoder,
        "hardware": hardware.family.name if hardware else None,
        "changes": list(plan.changes),
    }
    return EncodeOutcome(path, plan.media_type, facts, tally.cpu_seconds)


def find_encoder(ffmpeg_binary: FfmpegBinary, codec: VideoCodec) -> str:
    """Return the first of the codec's encoders that really encodes here. Raises ToolMissing."""
    for name in ENCODERS[codec]:
        if try_encoder(ffmpeg_binary, name):
            return name
    raise ToolMissing(
        f"This FFmpeg cannot encode {codec.value}.",
        hint="Unset FFMPEG_PATH to use the one that comes with Cinemill.",
    )


def inspect_rendition(path: Path, plan: EncodePlan) -> dict[str, Any]:
    """Open the written file and compare it with the plan: an exit code of 0 proves nothing.

    Raises OutputInvalid.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise OutputInvalid(f"{plan.filename} was not written.")
    try:
        with path.open("rb") as file, av.open(file, format=DEMUXERS[plan.media_type]) as container:
            facts = _read_facts(container)
    except (av.FFmpegError, StopIteration, IndexError) as broken:
        raise OutputInvalid(f"{plan.filename} cannot be read back: {broken}") from broken
    planned = {
        "codec": CODEC_NAMES[plan.codec],
        "width": plan.width,
        "height": plan.height,
        "sounds": plan.audio_tracks,
        "subtitles": plan.subtitles,
    }
    wrong = {name: facts[name] for name, value in planned.items() if facts[name] != value}
    if wrong:
        raise OutputInvalid(f"{plan.filename} is not as planned: {wrong} in place of {planned}.")
    if path.suffix == f".{Container.MP4.value}" and not starts_fast(path):
        raise OutputInvalid(f"{plan.filename} has its index at the end.")
    return facts


def _read_facts(container: Any) -> dict[str, Any]:
    stream = container.streams.video[0]
    first = next(container.decode(stream))
    container.seek(0)
    times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    steps = [after - before for before, after in itertools.pairwise(times)]
    last_step = steps[-1] if steps else 0
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "width": first.width,
        "height": first.height,
        "pixel_format": first.format.name,
        "frames": len(times),
        "start_seconds": float(times[0] * stream.time_base),
        "duration_seconds": float((times[-1] - times[0] + last_step) * stream.time_base),
        "sounds": len(container.streams.audio),
        "subtitles": len(container.streams.subtitles),
    }


def measure_audio(path: Path, plan: EncodePlan) -> float:
    """Return seconds from a rendition's first frame to the end of its last audio."""
    ends = [0.0]
    demuxer = DEMUXERS[plan.media_type]
    with path.open("rb") as file, av.open(file, mode="r", format=demuxer) as container:
        ends += [
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux(container.streams.audio)
            if packet.pts is not None
        ]
    return max(ends)
