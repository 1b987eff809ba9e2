"""The plan of FFmpeg's command for sound alone: pure functions from values to arguments."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.ingest.graph import audio_graph, describe_sound
from cinemill.core.media import ArtifactKind, AudioStream, MediaInfo
from cinemill.core.tracks.choice import choose_audio
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.rejections import reject_media
from cinemill.media.verify.expected_output import PlannedOutput

PROXY_BPS = 128_000
PROXY = PlannedOutput(ArtifactKind.PROXY, "proxy.m4a", "audio/mp4")
AUDIO = PlannedOutput(ArtifactKind.AUDIO, "audio.flac", "audio/flac")


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """One command, which decodes the sound once."""

    arguments: tuple[str, ...]
    """FFmpeg's arguments, inputs and outputs; output names are relative to the private folder."""
    audio: AudioStream
    changes: tuple[str, ...]
    """What is converted on purpose, in words."""


def plan_sound(source: str, info: MediaInfo, *, max_pixels: int) -> SoundPlan:
    """Plan the preview copy of ``source`` (a path), and the audio that models listen to.

    Raises MediaRejected (``media_no_sound``).
    """
    audio = choose_audio(info)
    if audio is None:
        raise reject_media("media_no_sound")
    clean = ["-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"]
    proxy = ["-c:a", "aac", "-b:a", str(PROXY_BPS), "-ar", "48000", "-movflags", "+faststart"]
    flac = ["-c:a", "flac", "-sample_fmt", "s16", "-compression_level", "5", "-f", "flac"]
    return SoundPlan(
        arguments=(
            *input_arguments(source, info, max_pixels),
            *("-filter_complex", audio_graph(info, audio)),
            *("-map", "[sound]", *proxy, *clean, "-f", "ipod", PROXY.filename),
            *("-map", "[audio]", *flac, *clean, AUDIO.filename),
        ),
        audio=audio,
        changes=describe_sound(info, audio),
    )
