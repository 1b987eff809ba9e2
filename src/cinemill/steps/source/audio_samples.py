"""A video's audio as raw samples, for speech models."""

from __future__ import annotations

from pathlib import Path

from cinemill.core.media import REJECTION_CODES, MediaInfo
from cinemill.errors import MediaRejected, OutputInvalid
from cinemill.media.ffmpeg.arguments import (
    AUDIO_RATE_HZ,
    audio_clock_filters,
    choose_audio,
    input_arguments,
)
from cinemill.media.ffmpeg.process import FfmpegReport
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.integrity import ends_cleanly

SAMPLES_FILENAME = "sound.s16"
BYTES_PER_SECOND = AUDIO_RATE_HZ * 2
_SAMPLES = ["-ar", str(AUDIO_RATE_HZ), "-ac", "1", "-c:a", "pcm_s16le", "-f", "s16le"]


def extract_samples(
    session: FfmpegSession, source: Path, info: MediaInfo, *, prepared: Path | None
) -> Path:
    """Extract the video's audio into the folder: 16-bit little-endian mono, 16 kHz, no header.

    Its first sample is at the video's first frame. ``prepared`` is the audio that ingest extracted,
    if it did: that file is decoded instead of the video.

    Raises MediaRejected (``media_no_sound``, ``media_truncated``, ``media_damaged``),
    OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    if prepared is not None:
        arguments = plan_prepared_samples(str(prepared))
    else:
        arguments = plan_samples(str(source), info, max_pixels=session.limits.max_pixels)
    report = session.run(
        arguments,
        readable=[prepared or source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
    )
    if prepared is None:
        _check(report, source, info)
    path = session.folder / SAMPLES_FILENAME
    if not path.is_file():
        raise OutputInvalid(f"{SAMPLES_FILENAME} was not written.")
    return path


def plan_samples(source: str, info: MediaInfo, *, max_pixels: int) -> list[str]:
    """Return FFmpeg's arguments for the video's own audio.

    Raises MediaRejected (``media_no_sound``).
    """
    audio = choose_audio(info)
    if audio is None:
        raise _reject("media_no_sound")
    graph = f"[0:{audio.index}]{audio_clock_filters(info)}[sound]"
    arguments = input_arguments(source, info, max_pixels)
    return [*arguments, "-filter_complex", graph, "-map", "[sound]", *_SAMPLES, SAMPLES_FILENAME]


def plan_prepared_samples(audio: str) -> list[str]:
    """Return FFmpeg's arguments for audio that ingest has already put on the video's clock."""
    open_flac = ["-f", "flac", "-format_whitelist", "flac", "-protocol_whitelist", "file"]
    return [*open_flac, "-i", f"file:{audio}", "-map", "0:a:0", *_SAMPLES, SAMPLES_FILENAME]


def _check(report: FfmpegReport, source: Path, info: MediaInfo) -> None:
    tally = report.tally
    if tally.ended_early or not ends_cleanly(source, info.format):
        raise _reject("media_truncated")
    if tally.decode_errors or tally.corrupt_packets or tally.container_errors:
        raise _reject("media_damaged")


def _reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)
