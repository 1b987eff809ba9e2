"""Audio whose channels or rate change midway, such as broadcasts between stereo and surround.

FFmpeg cannot go on with the same filters then, and new ones would begin anew: with the silence
before a late track, and with the tiles of a sprite. So such a track is decoded into a file first,
part by part, and what was asked for is made with that file in its place. That costs a second
command, and only where the first one met a change. Channels that are tracks of their own take the
same way, for no filter of the commands that follow need know of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import av

from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.channels import MONO, SPEAKERS, STEREO, choose_layout
from cinemill.core.tracks.joined import JoinedTrack, join_tracks
from cinemill.errors import MediaRejected, OutputInvalid
from cinemill.media.ffmpeg.arguments import keep_clock, open_arguments
from cinemill.media.ffmpeg.channels import STEADY_FORMAT, SteadyTrack, join_graph, list_steady
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.integrity import blame_source, check_log

T = TypeVar("T")
_PARTS = "rematrix_maxval=1:lfe_mix_level=0.5"
"""Each part is folded by itself, so that it does not clip; by FFmpeg, which knows its layout."""


def with_steady_audio(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    work: Callable[[MediaInfo], T],
    *,
    joins: bool = True,
) -> T:
    """Return ``work(info)``; where the audio changes midway, with tracks that do not.

    With ``joins``, tracks that are the channels of one sound are one track of it. What a failed
    ``work`` has left in the session's folder is removed. Raises what it raises, MediaRejected,
    OutputInvalid, and what the session raises.
    """
    before = set(session.folder.iterdir())
    joined = join_sounds(session, source, info) if joins else info
    try:
        made = work(joined)
    except FfmpegFailed as failed:
        if not failed.tally.audio_changed or len(list_steady(joined)) == len(joined.audio):
            remove_steady(session, joined)
            raise
    except BaseException:
        remove_steady(session, joined)
        raise
    else:
        remove_steady(session, joined)
        return made
    _remove_new(session, before | {session.folder / one.filename for one in list_steady(joined)})
    try:
        steady = make_steady(session, source, joined)
        made = work(steady)
    except BaseException:
        _remove_new(session, before)
        raise
    remove_steady(session, steady)
    return made


def join_sounds(
    session: FfmpegSession, source: Path, info: MediaInfo, *, prefix: str = "joined"
) -> MediaInfo:
    """Return a source with one track for each sound whose channels are tracks of their own.

    Where they are damaged, they stay as they are, for the command after this to say so; unless
    they were joined before. Raises MediaRejected, OutputInvalid, and what the session raises.
    """
    joined = join_tracks(info)
    parts = [track for track in joined.audio if isinstance(track, JoinedTrack)]
    if not parts:
        return info
    try:
        return _write_tracks(session, source, joined, parts, prefix)
    except MediaRejected:
        if any(isinstance(track, JoinedTrack) for track in info.audio):
            raise
        return info


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
    changing = [track for track in info.audio if not isinstance(track, SteadyTrack)]
    return _write_tracks(session, source, info, changing, prefix)


def _write_tracks(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    tracks: Sequence[AudioStream],
    prefix: str,
) -> MediaInfo:
    """Decode these tracks into files of the folder; return the video with the files' tracks."""
    layouts = {track.index: _choose_steady_layout(track) for track in tracks}
    names = {track.index: f"{prefix}-{track.index}.mkv" for track in tracks}
    arguments = open_arguments(str(source), info, session.limits.max_pixels)
    graph = [
        join_graph(track, layouts[track.index], f"joined{track.index}")
        for track in tracks
        if isinstance(track, JoinedTrack)
    ]
    if graph:
        arguments += ["-filter_complex", ";".join(graph)]
    arguments += keep_clock(info)
    for track in tracks:
        arguments += _write_track(track, layouts[track.index])
        arguments += ["-c:a", "pcm_s16le", "-f", STEADY_FORMAT, names[track.index]]
    try:
        report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
        # The file that is read from now on is whole, whatever was decoded into it.
        check_log(report.tally, has_clean_end=True)
    except (FfmpegFailed, MediaRejected) as failed:
        for name in names.values():
            (session.folder / name).unlink(missing_ok=True)
        if isinstance(failed, FfmpegFailed):
            raise (blame_source(failed) or failed) from failed
        raise
    written = {
        track.index: _read_track(session.folder, track, names[track.index], layouts[track.index])
        for track in tracks
    }
    return replace(info, audio=tuple(written.get(one.index, one) for one in info.audio))


def _write_track(track: AudioStream, layout: str) -> list[str]:
    """Return arguments for the track's samples."""
    if isinstance(track, JoinedTrack):
        return ["-map", f"[joined{track.index}]"]
    filters = f"aresample={track.sample_rate_hz}:{_PARTS},aformat=channel_layouts={layout}"
    return ["-map", f"0:{track.index}", "-af", filters]


def _read_track(folder: Path, track: AudioStream, filename: str, layout: str) -> SteadyTrack:
    written = {"channels": len(SPEAKERS[layout]), "layout": layout, "places": SPEAKERS[layout]}
    return SteadyTrack(
        **(asdict(track) | written),
        filename=filename,
        starts_at_seconds=_read_start(folder / filename),
    )


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
