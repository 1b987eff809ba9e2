"""Encoding one source into one rendition that is verified to be complete, or the reason why not."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av

from cinemill.core.encoding.rendition import Container, RenditionRequest, SoundChoice, VideoCodec
from cinemill.core.media import MediaInfo
from cinemill.errors import OutputInvalid, ToolMissing
from cinemill.media.encoding.audio_plan import can_join, choose_audio_codec, encoded_choice
from cinemill.media.encoding.encode_plan import ENCODERS, EncodePlan, plan_encode
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.encoding.stated_end import state_end
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.binary import FfmpegBinary, try_encoder
from cinemill.media.ffmpeg.containers import find_demuxer
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.last_frame import read_frames
from cinemill.media.probe.streams import name_codec_of
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import (
    Decoded,
    blame_source,
    ends_cleanly,
    find_flaw,
    find_log_flaw,
)
from cinemill.media.verify.outputs import starts_fast

CODEC_NAMES = {
    VideoCodec.H264: "h264",
    VideoCodec.H265: "hevc",
    VideoCodec.VP9: "vp9",
    VideoCodec.AV1: "av1",
}
TOLERANCE_SECONDS = 0.25
_MUXER_LINE = re.compile(r"^\[(?:mp4|matroska|webm|aac_adtstoasc)[ @]|^\[out#.*write header")
"""In the log where a container does not take what it was given."""


@dataclass(frozen=True, slots=True)
class EncodeOutcome:
    """A verified rendition in the private folder."""

    path: Path
    media_type: str
    facts: dict[str, Any]
    """``codec``, ``encoder``, ``hardware`` (its vendor's name, or None), ``width``, ``height``,
    ``frames``, ``duration_seconds``, ``start_seconds``, ``sounds``, ``changes``."""
    cpu_seconds: float
    flaw: str = ""
    """Code of why the source is not complete; only where the best is made of it all the same."""
    lacks_sound: bool = False
    """Whether its audio was left out, because nothing can be made of it."""


def encode(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    *,
    hardware: HardwareEncoder | None = None,
    best_effort: bool = False,
) -> EncodeOutcome:
    """Encode the rendition in the session's folder, which must be empty and private.

    Encodes in software if ``hardware`` is None. With ``best_effort``, a damaged source is no error
    as long as it has a frame; where its audio is of no use, it is left out.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), InputRejected
    (``combination_impossible``), ToolMissing, OutputInvalid, CommandFailed, CommandStalled,
    DiskFull, and whatever ``should_stop`` returns.
    """
    try:
        return with_steady_audio(
            session,
            source,
            info,
            lambda steady: _encode(session, source, steady, request, hardware, best_effort),
            joins=can_join(request),
        )
    except FfmpegFailed as failed:
        if can_encode_audio(info, request, failed):
            encoded = request.model_copy(update={"sound": encoded_choice(request.container)})
            return encode(
                session, source, info, encoded, hardware=hardware, best_effort=best_effort
            )
        if hardware is not None:
            raise  # software tries next, and then says whether the video is to blame
        blamed = blame_source(failed)
        has_sound = info.audio and request.sound is not SoundChoice.NONE
        if not (best_effort and has_sound and blamed and failed.tally.gave_up):
            raise (blamed or failed) from failed
    silent = request.model_copy(update={"sound": SoundChoice.NONE})
    outcome = _encode(session, source, info, silent, hardware, best_effort)
    return replace(outcome, flaw=outcome.flaw or "media_damaged", lacks_sound=True)


def can_encode_audio(info: MediaInfo, request: RenditionRequest, failed: FfmpegFailed) -> bool:
    """Check whether a failure may be that of copying audio, which nobody asked for.

    A container may hold a codec and yet not all that is coded in it.
    """
    if request.sound is not SoundChoice.AUTO or not (failed.tally.gave_up and failed.evidence):
        return False
    is_muxer = any(_MUXER_LINE.match(line) for line in failed.errors)
    return is_muxer and any(choose_audio_codec(track, request) == "copy" for track in info.audio)


def _encode(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    hardware: HardwareEncoder | None,
    best_effort: bool,
) -> EncodeOutcome:
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
    state_end(
        session,
        path,
        start_seconds=facts["start_seconds"],
        duration_seconds=facts["duration_seconds"],
    )
    tally = report.tally
    has_clean_end = ends_cleanly(source, info.format)
    # Checked before the source is judged by the output: frames that an encoder lost are the
    # encoder's fault.
    log_flaw = find_log_flaw(tally, has_clean_end=has_clean_end)
    is_tolerated = bool(log_flaw) and best_effort
    if plan.fps is None and facts["frames"] != tally.video_frames and not is_tolerated:
        if log_flaw:
            raise reject_media(log_flaw)
        raise OutputInvalid(
            f"{tally.video_frames} frames were decoded and {facts['frames']} written."
        )
    audio_seconds = measure_audio(path, plan) if plan.audio_tracks else None
    decoded = Decoded(tally.video_frames, facts["duration_seconds"], audio_seconds)
    flaw = find_flaw(info, tally, decoded, has_clean_end=has_clean_end)
    if flaw and not (best_effort and tally.video_frames):
        raise reject_media(flaw)
    facts |= {
        "encoder": plan.encoder,
        "hardware": hardware.family.name if hardware else None,
        "changes": list(plan.changes),
    }
    return EncodeOutcome(path, plan.media_type, facts, tally.cpu_seconds, flaw)


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
        with (
            path.open("rb") as file,
            av.open(file, format=find_demuxer(plan.filename)) as container,
        ):
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
    times, end = read_frames(container, stream)
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "codec_name": name_codec_of(stream, first),
        "width": first.width,
        "height": first.height,
        "pixel_format": first.format.name,
        "frames": len(times),
        "start_seconds": float(times[0] * stream.time_base),
        "duration_seconds": float((end - times[0]) * stream.time_base),
        "sounds": len(container.streams.audio),
        "subtitles": len(container.streams.subtitles),
    }


def measure_audio(path: Path, plan: EncodePlan) -> float:
    """Return seconds from a rendition's first frame to the end of its last audio."""
    ends = [0.0]
    demuxer = find_demuxer(plan.filename)
    with path.open("rb") as file, av.open(file, mode="r", format=demuxer) as container:
        ends += [
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux(container.streams.audio)
            if packet.pts is not None
        ]
    return max(ends)
