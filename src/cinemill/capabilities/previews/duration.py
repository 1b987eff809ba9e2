"""How long a film's picture is: from its header, or where that does not say, from its packets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from cinemill.core.media import REJECTION_CODES, MediaInfo, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.ffmpeg.session import FfmpegSession


def find_length(session: FfmpegSession, source: Path, info: MediaInfo) -> Fraction:
    """Seconds from the first picture to the end of the last: as the header has it, else by reading
    the whole file through, without decoding. Sound may go on longer.

    Raises MediaRejected (``media_truncated``), CommandFailed, CommandStalled, and whatever
    ``session.should_stop`` returns.
    """
    return read_length(info) or measure_length(session, source, info)


def read_length(info: MediaInfo) -> Fraction:
    """As the header has it; 0 where it does not say."""
    lead_seconds = max(0.0, info.start_seconds - info.clock_start_seconds)
    film = max(0.0, info.duration_seconds_from_header - lead_seconds)
    picture = info.video.duration_seconds_from_header
    if info.format is SourceFormat.MATROSKA:
        picture = max(0.0, picture - lead_seconds)  # it is told when the track ends
    seconds = min(picture, film) if picture and film else picture or film
    return Fraction(seconds).limit_denominator(1000)


def measure_length(session: FfmpegSession, source: Path, info: MediaInfo) -> Fraction:
    """By the times of the packets' decoding, which are the frames that a codec reorders, two or so,
    ahead of what is seen. Raises as :func:`find_length` does."""
    arguments = [
        *input_arguments(str(source), info, session.limits.max_pixels),
        *("-map", f"0:{info.video.index}", "-c", "copy", "-f", "null", "-"),
    ]
    report = session.run(arguments, readable=[source], on_progress=lambda _progress: None)
    reject_truncated(report.tally)
    end_seconds = report.last_progress.seconds or 0.0
    lead_seconds = max(0.0, info.start_seconds - info.clock_start_seconds)
    return Fraction(max(0.0, end_seconds - lead_seconds)).limit_denominator(1000)


def reject_truncated(tally: LogSummary) -> None:
    """Raises MediaRejected, ``media_truncated``, where the file ended before the film did."""
    if tally.ended_early:
        raise MediaRejected(REJECTION_CODES["media_truncated"], code="media_truncated")
