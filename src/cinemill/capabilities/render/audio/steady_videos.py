"""Sources of a render whose audio changes its channels midway: decoded into files of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cinemill.capabilities.render.pieces.clip_filters import StoredVideo
from cinemill.media.encoding.steady_audio import join_sounds, make_steady, remove_steady
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.channels import shift_steady
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.session import FfmpegSession


def with_steady_videos(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    work: Callable[[Mapping[str, StoredVideo]], None],
) -> None:
    """Do ``work(videos)``; where the audio of one changes midway, with tracks that do not.

    FFmpeg does not say which one it is. Channels that are tracks of their own are one track. Raises
    what ``work`` and ``make_steady`` raise.
    """
    joined = {
        sha256: replace(
            video, info=join_sounds(session, video.path, video.info, prefix=f"joined-{number}")
        )
        for number, (sha256, video) in enumerate(videos.items())
    }
    try:
        _with_unchanging(session, joined, work)
    finally:
        for video in joined.values():
            remove_steady(session, video.info)


def _with_unchanging(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    work: Callable[[Mapping[str, StoredVideo]], None],
) -> None:
    try:
        work(videos)
    except FfmpegFailed as failed:
        if not failed.tally.audio_changed:
            raise
    else:
        return
    steady = {
        sha256: replace(
            video, info=make_steady(session, video.path, video.info, prefix=f"steady-{number}")
        )
        for number, (sha256, video) in enumerate(videos.items())
        if video.info.audio
    }
    work({**videos, **steady})
    for video in steady.values():
        remove_steady(session, video.info)


def open_sought(video: StoredVideo, seek: Sequence[str], max_pixels: int) -> list[str]:
    """Return the arguments that open a source after a seek, with its tracks in step."""
    seconds = float(seek[1]) if seek else 0.0
    info = shift_steady(video.info, seconds)
    return [*seek, *input_arguments(str(video.path), info, max_pixels)]
