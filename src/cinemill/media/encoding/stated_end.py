"""The end that an MP4 states of its video: that of the frame that is shown last.

An MP4's track is as long as its packets, each of which lasts until the next one is decoded. Where
encoders reorder frames, the packet that is stored last may be shown before a gap at the end, and
then the track ends before the last frame begins: players stop there.
"""

from __future__ import annotations

from pathlib import Path

from cinemill.core.encoding.rendition import Container
from cinemill.core.media import HOLD_SECONDS
from cinemill.media.ffmpeg.arguments import end_track
from cinemill.media.ffmpeg.containers import MUXERS
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import open_mp4

_NAME = "ended.mp4"


def state_end(
    session: FfmpegSession, path: Path, *, start_seconds: float, duration_seconds: float
) -> None:
    """Write an MP4 in the session's folder again if it states a shorter video than it holds.

    Start and duration are those of its frames. Raises CommandFailed, CommandStalled, DiskFull,
    OutputInvalid, and whatever ``should_stop`` returns.
    """
    if path.suffix != f".{Container.MP4.value}" or not _ends_early(path, duration_seconds):
        return
    session.run(
        [
            *("-copyts", "-f", "mov", "-i", path.name, "-map", "0", "-c", "copy"),
            *end_track(start_seconds + duration_seconds),
            *("-map_metadata", "0", "-map_chapters", "0", "-max_muxing_queue_size", "4096"),
            *(*MUXERS[Container.MP4], _NAME),
        ],
        readable=[],
        on_progress=lambda _progress: None,
    )
    (session.folder / _NAME).replace(path)


def _ends_early(path: Path, seconds: float) -> bool:
    """Check whether the track is shorter than its frames."""
    with open_mp4(path) as container:
        stream = container.streams.video[0]
        stated = float((stream.duration or 0) * (stream.time_base or 0))
    return stated < seconds - HOLD_SECONDS
