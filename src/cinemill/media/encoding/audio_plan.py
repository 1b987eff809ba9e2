"""The audio tracks of a rendition: copied where the container takes them as they are, else encoded.

Pure. Their channels keep their places as far as the codec has speakers for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.core.encoding.rendition import Container, RenditionRequest, SoundChoice
from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.channels import SPEAKERS, choose_layout
from cinemill.core.tracks.joined import JoinedTrack
from cinemill.errors import InputRejected
from cinemill.media.encoding.copying import STATED_ONCE, fits_mp4, hear_copies
from cinemill.media.ffmpeg.channels import (
    SteadyTrack,
    describe_folds,
    fold_filter,
    locate_audio,
)

_COMMON_AUDIO_CODECS = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")
COPYABLE_AUDIO: Mapping[Container, frozenset[str]] = {
    Container.MP4: frozenset(_COMMON_AUDIO_CODECS),
    Container.WEBM: frozenset({"opus", "vorbis"}),
    Container.MKV: frozenset(
        {*_COMMON_AUDIO_CODECS, "vorbis", "dts", "truehd", "mp2", "pcm_s16le"}
    ),
}


def plan_audio(info: MediaInfo, request: RenditionRequest) -> tuple[list[str], list[str]]:
    """Return the arguments of all audio tracks, and descriptions of changes.

    Raises InputRejected if a copy was requested and is impossible.
    """
    arguments: list[str] = []
    changes = []
    layouts: dict[int, str] = {}
    for position, track in enumerate(info.audio):
        codec = choose_audio_codec(track, request)
        # A copy keeps its channels as they are; AC-3, for one, also where they change midway.
        source = f"0:{track.index}" if codec == "copy" else locate_audio(info, track)
        arguments += ["-map", source]
        arguments += _track_arguments(position, track, codec, request)
        if track.title:
            # Containers call it differently, and FFmpeg does not translate all of them.
            arguments += [f"-metadata:s:a:{position}", f"title={track.title}"]
        if codec != "copy":
            layouts[track.index] = choose_layout(track)
            changes.append(f"audio track {position + 1} was encoded from {track.codec} to {codec}")
    return arguments, [*changes, *describe_folds(info, layouts)]


def hear_copied_audio(info: MediaInfo, request: RenditionRequest) -> list[str]:
    """Return an output that listens to tracks while they are copied, where that is needed.

    Raises InputRejected if a copy was requested and is impossible.
    """
    is_silent = request.sound is SoundChoice.NONE
    tracks = () if is_silent else info.audio
    return hear_copies(
        info, [track for track in tracks if choose_audio_codec(track, request) == "copy"]
    )


def choose_audio_codec(track: AudioStream, request: RenditionRequest) -> str:
    """Return ``copy``, ``aac`` or ``opus``.

    Raises InputRejected if a copy was requested and is impossible.
    """
    container = request.container
    if request.sound in (SoundChoice.AAC, SoundChoice.OPUS):
        return request.sound.value
    is_joined = isinstance(track, JoinedTrack | SteadyTrack) and bool(track.part_indexes)
    is_copyable = track.codec in COPYABLE_AUDIO[container] and not is_joined
    is_restated = isinstance(track, SteadyTrack) and track.codec in STATED_ONCE
    if is_copyable and not is_restated and (container is not Container.MP4 or fits_mp4(track)):
        return "copy"
    if request.sound is SoundChoice.COPY:
        why = ", whose channels change midway" if is_restated else ""
        raise InputRejected(
            f"{container.value} cannot hold the source's {track.codec} audio{why}.",
            code="combination_impossible",
            hint="Choose an audio codec instead of copy"
            + ("." if is_restated else ", or use mkv."),
        )
    return encoded_choice(container).value


def can_join(request: RenditionRequest) -> bool:
    """Check whether tracks that are the channels of one sound become one: not if they are copied.

    A copy was asked for then, or nothing of them.
    """
    return request.sound not in (SoundChoice.COPY, SoundChoice.NONE)


def encoded_choice(container: Container) -> SoundChoice:
    """Return the codec that audio of this container is encoded in if nobody chooses."""
    return SoundChoice.OPUS if container is Container.WEBM else SoundChoice.AAC


def _track_arguments(
    position: int, track: AudioStream, codec: str, request: RenditionRequest
) -> list[str]:
    if codec == "copy":
        return [f"-c:a:{position}", "copy"]
    layout = choose_layout(track)
    bps = request.sound_bitrate_bps
    if bps is None:
        bps = request.preset.sound_bitrate_bps * len(SPEAKERS[layout]) // 2
    encoder = "libopus" if codec == "opus" else "aac"
    return [
        *(f"-c:a:{position}", encoder, f"-b:a:{position}", str(bps)),
        *(f"-filter:a:{position}", f"aresample=async=1,{fold_filter(track, layout)}"),
    ]
