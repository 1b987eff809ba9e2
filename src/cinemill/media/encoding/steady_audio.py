"""Audio whose channels or rate change midway, such as broadcasts between stereo and surround.

FFmpeg cannot go on with the same filters then, and new ones would begin anew: with the silence
before a late track, and with the tiles of a sprite. So such a track is decoded into a file first,
part by part, and what was asked for is made with that file in its place. That costs a second
command, and only where the first one met a change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import av

from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.channels import MONO, SPEAKERS, STEREO, choose_layout
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import keep_clock, open_arguments
from cinemill.media.ffmpeg.channels import STEADY_FORMAT, SteadyTrack, list_steady
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.integrity import blame_source, check_log

T = TypeVar("T")
_PARTS = "rematrix_maxval=1:lfe_mix_level=0.5"
"""Each part is folded by itself, so that it does not clip; by FFmpeg, which knows its layout."""


def with_steady_audio(
    session: FfmpegSession, source: Path, info: MediaInfo, work: Callable[[MediaInfo], T]
) -> T:
    """Return ``work(info)``; where the audio changes midway, with tracks that do not.

    What a failed ``work`` has left in the session's folder is removed. Raises what it raises,
    MediaRejected, OutputInvalid, and what the session raises.
    """
    before = set(session.folder.iterdir())
    try:
        return work(info)
    except FfmpegFailed as failed:
        if not failed.tally.audio_changed or list_steady(info):
            raise
    _remove_new(session, before)
    try:
        steady = make_steady(session, source, info)
        made = work(steady)
    except BaseException:
        _remove_new(session, before)
        raise
    remove_steady(session, steady)
    return made


def _remove_new(session: FfmpegSession, before: set[Path]) -> None:
    for left in set(session.folder.iterdir()) - before:
        left.unlink(missing_ok=True)


def remove_steady(session: FfmpegSession, info: MediaInfo) -> None:
    """Remove the files of the tracks that have files of their own."""
    for track in list_steady(info):
        (session.folder / track.filename).unlink(missing_ok=True)


def make_steady(
    session: FfmpegSession, source: Path, info: MediaInfo, *, prefix: str = "steady"
) -> MediaInfo:
    """Decode every track into a file of the folder; return the video with these tracks.

    The files' names begin with ``prefix``. Raises MediaRejected where the audio is damaged,
    OutputInvalid, and what the session raises.
    """
    names = [f"{prefix}-{track.index}.mkv" for track in info.audio]
    layouts = [_choose_steady_layout(track) for track in info.audio]
    arguments = open_arguments(str(source), info, session.limits.max_pixels)
    arguments += keep_clock(info)
    for track, name, layout in zip(info.audio, names, layouts, strict=True):
        filters = f"aresample={track.sample_rate_hz}:{_PARTS},aformat=channel_layouts={layout}"
        arguments += ["-map", f"0:{track.index}", "-af", filters, "-c:a", "pcm_s16le"]
        arguments += ["-f", STEADY_FORMAT, name]
    try:
        report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
    except FfmpegFailed as failed:
        raise (blame_source(failed) or failed) from failed
    # The file that is read from now on is whole, whatever was decoded into it.
    check_log(report.tally, has_clean_end=True)
    tracks = tuple(
        SteadyTrack(
            **{
                **asdict(track),
                "channels": len(SPEAKERS[layout]),
                "layout": layout,
                "places": SPEAKERS[layout],
            },
            filename=name,
            starts_at_seconds=_read_start(session.folder / name),
        )
        for track, name, layout in zip(info.audio, names, layouts, strict=True)
    )
    return replace(info, audio=tracks)


def _choose_steady_layout(track: AudioStream) -> str:
    layout = choose_layout(track)
    return STEREO if layout == MONO else layout


def _read_start(path: Path) -> float:
    """Return when a file's first sample is heard, in seconds. Raises OutputInvalid."""
    try:
        with path.open("rb") as file, av.open(file, mode="r", format=STEADY_FORMAT) as container:
            return float((container.start_time or 0) / av.time_base)
    except av.FFmpegError as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken
