"""A rendition of sound alone: its tracks copied or encoded, in a container of audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from cinemill.core.encoding.rendition import Container, RenditionRequest, SoundChoice
from cinemill.core.media import MediaInfo
from cinemill.errors import InputRejected, OutputInvalid
from cinemill.media.encoding.audio_plan import (
    can_join,
    encoded_choice,
    hear_copied_audio,
    plan_audio,
)
from cinemill.media.encoding.encode import EncodeOutcome, can_encode_audio
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.containers import DEMUXERS, MUXERS
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.durations import stream_seconds
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import blame_source, ends_cleanly, find_sound_flaw
from cinemill.media.verify.joints import without_joints

SUFFIXES: Mapping[Container, str] = {
    Container.MP4: "m4a",
    Container.WEBM: "webm",
    Container.MKV: "mka",
}
_MEDIA_TYPES: Mapping[Container, str] = {
    Container.MP4: "audio/mp4",
    Container.WEBM: "audio/webm",
    Container.MKV: "audio/x-matroska",
}
_OF_PICTURES = ("width", "height", "bitrate", "crf", "fps", "vmaf_min")
"""Options that say nothing about sound."""


@dataclass(frozen=True, slots=True)
class SoundRenditionPlan:
    arguments: tuple[str, ...]
    """FFmpeg's arguments, inputs and outputs; the output's name is relative to the private
    folder."""
    filename: str
    changes: tuple[str, ...]
    """Descriptions of what was converted on purpose, or left out."""


def plan_sound_rendition(
    source: str, info: MediaInfo, request: RenditionRequest, *, max_pixels: int
) -> SoundRenditionPlan:
    """Plan FFmpeg's arguments for this rendition of ``source`` (a path).

    Raises InputRejected (``combination_impossible``).
    """
    if request.sound is SoundChoice.NONE:
        raise InputRejected(
            "Nothing would be left: the file is sound alone.",
            code="combination_impossible",
            hint="Choose a codec for the audio, or leave it to the preset.",
        )
    tracks, changes = plan_audio(info, request)
    filename = f"rendition.{SUFFIXES[request.container]}"
    return SoundRenditionPlan(
        arguments=(
            *input_arguments(source, info, max_pixels),
            *(*tracks, "-map_metadata", "0", "-map_chapters", "0"),
            *(*MUXERS[request.container], filename),
            *hear_copied_audio(info, request),
        ),
        filename=filename,
        changes=(*_list_left_out(request), *changes),
    )


def _list_left_out(request: RenditionRequest) -> list[str]:
    options = request.to_json()
    named = [name for name in _OF_PICTURES if name in options]
    return [f"{', '.join(named)}: left out, for the file is sound alone"] if named else []


def encode_sound(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    *,
    best_effort: bool = False,
) -> EncodeOutcome:
    """Encode the rendition in the session's folder, which must be empty and private.

    With ``best_effort``, damage is no error as long as something can be heard.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), InputRejected
    (``combination_impossible``), OutputInvalid, CommandFailed, CommandStalled, DiskFull, and
    whatever ``should_stop`` returns.
    """
    try:
        return with_steady_audio(
            session,
            source,
            info,
            lambda steady: _encode(session, source, steady, request, best_effort),
            joins=can_join(request),
        )
    except FfmpegFailed as failed:
        if can_encode_audio(info, request, failed):
            encoded = request.model_copy(update={"sound": encoded_choice(request.container)})
            return encode_sound(session, source, info, encoded, best_effort=best_effort)
        raise (blame_source(failed) or failed) from failed


def _encode(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    best_effort: bool,
) -> EncodeOutcome:
    plan = plan_sound_rendition(str(source), info, request, max_pixels=session.limits.max_pixels)
    report = session.run(
        plan.arguments,
        readable=[source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
    )
    path = session.folder / plan.filename
    facts = inspect_sound(path, request.container, tracks=len(info.audio))
    tally = without_joints(report.tally, source, info.format)
    seconds = facts["duration_seconds"]
    flaw = find_sound_flaw(info, tally, seconds, has_clean_end=ends_cleanly(source, info.format))
    if flaw and not (best_effort and seconds):
        raise reject_media(flaw)
    facts |= {"encoder": facts["codec"], "hardware": None, "changes": list(plan.changes)}
    media_type = _MEDIA_TYPES[request.container]
    return EncodeOutcome(path, media_type, facts, tally.cpu_seconds, flaw)


def inspect_sound(path: Path, container: Container, *, tracks: int) -> dict[str, Any]:
    """Open the written file and compare it with the plan. Raises OutputInvalid."""
    if not path.is_file() or path.stat().st_size == 0:
        raise OutputInvalid(f"{path.name} was not written.")
    try:
        with path.open("rb") as file, av.open(file, format=DEMUXERS[container]) as opened:
            facts = _read_facts(opened)
    except (av.FFmpegError, IndexError) as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken
    if facts["sounds"] != tracks:
        raise OutputInvalid(f"{path.name} has {facts['sounds']} tracks, not {tracks}.")
    return facts


def _read_facts(container: Any) -> dict[str, Any]:
    streams = container.streams.audio
    first = streams[0].codec_context
    ends = dict.fromkeys((stream.index for stream in streams), 0.0)
    open_ended: set[int] = set()
    for packet in container.demux(streams):
        if packet.pts is None:
            continue
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        ends[packet.stream.index] = max(ends[packet.stream.index], end)
        (open_ended.discard if packet.duration else open_ended.add)(packet.stream.index)
    for stream in streams:
        if stream.index in open_ended:
            # In Matroska, the last packet may state no length, but a tag states the track's end.
            ends[stream.index] = max(ends[stream.index], stream_seconds(container, stream))
    return {
        "codec": first.codec.canonical_name,
        "sample_rate_hz": first.sample_rate,
        "channels": streams[0].channels,
        "sounds": len(streams),
        "duration_seconds": max(ends.values(), default=0.0),
    }
