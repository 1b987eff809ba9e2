"""Duration of the video stream: from the header, or if that lacks it, from the packets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from cinemill.core.media import MediaInfo
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.rejections import reject_media


def find_duration(session: FfmpegSession, source: Path, info: MediaInfo) -> Fraction:
    """Return the seconds from the first frame to the end of the last; audio may be longer.

    Uses the header if it states them, else reads the whole file without decoding.

    Raises MediaRejected (``media_truncated``), CommandFailed, CommandStalled, and whatever
    ``session.should_stop`` returns.
    """
    return read_duration(info) or measure_duration(session, source, info)


def read_duration(info: MediaInfo) -> Fraction:
    """Return the header's duration; 0 if it states none."""
    return Fraction(info.picture_seconds).limit_denominator(1000)


def measure_duration(session: FfmpegSession, source: Path, info: MediaInfo) -> Fraction:
    """Return the duration by the packets' decoding timestamps.

    They precede presentation by the frames that a codec reorders, two or so. Raises as
    :func:`find_duration` does.
    """
    arguments = [
        *input_arguments(str(source), info, session.limits.max_pixels),
        *("-map", f"0:{info.video.index}", "-c", "copy", "-f", "null", "-"),
    ]
    report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
    reject_truncated(report.tally)
    end_seconds = report.last_progress.seconds or 0.0
    return Fraction(max(0.0, end_seconds - info.lead_seconds)).limit_denominator(1000)


def reject_truncated(tally: LogSummary) -> None:
    """Raise MediaRejected, ``media_truncated``, if the file ended before the video did."""
    if tally.ended_early:
        raise reject_media("media_truncated")
