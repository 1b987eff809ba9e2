"""A video's audio as raw samples, for speech models."""

from __future__ import annotations

from pathlib import Path

from cinemill.core.media import MediaInfo
from cinemill.core.tracks.channels import MONO
from cinemill.core.tracks.choice import choose_audio
from cinemill.core.tracks.joined import describe_unheard, join_tracks
from cinemill.errors import OutputInvalid
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.arguments import (
    AUDIO_RATE_HZ,
    audio_clock_filters,
    input_arguments,
    keep_clock,
)
from cinemill.media.ffmpeg.channels import describe_folds, fold_filter, locate_audio
from cinemill.media.ffmpeg.process import FfmpegFailed, FfmpegReport
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import blame_source, ends_cleanly
from cinemill.media.verify.joints import without_joints

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
    try:
        if prepared is not None:
            report = _run(session, plan_prepared_samples(str(prepared)), prepared, info)
        else:
            report = with_steady_audio(
                session, source, info, lambda steady: _extract(session, source, steady)
            )
    except FfmpegFailed as failed:
        raise (blame_source(failed) or failed) from failed
    if prepared is None:
        _check(report, source, info)
    path = session.folder / SAMPLES_FILENAME
    if not path.is_file():
        raise OutputInvalid(f"{SAMPLES_FILENAME} was not written.")
    return path


def _extract(session: FfmpegSession, source: Path, info: MediaInfo) -> FfmpegReport:
    arguments = plan_samples(str(source), info, max_pixels=session.limits.max_pixels)
    return _run(session, arguments, source, info)


def _run(
    session: FfmpegSession, arguments: list[str], readable: Path, info: MediaInfo
) -> FfmpegReport:
    report = share_of_time(session.on_progress, info.duration_seconds_from_header)
    return session.run(arguments, readable=[readable], on_progress=report)


def plan_samples(source: str, info: MediaInfo, *, max_pixels: int) -> list[str]:
    """Return FFmpeg's arguments for the video's own audio.

    Raises MediaRejected (``media_no_sound``).
    """
    audio = choose_audio(info)
    if audio is None:
        raise reject_media("media_no_sound")
    label = locate_audio(info, audio)
    graph = f"[{label}]{audio_clock_filters(info)},{fold_filter(audio, MONO)}[sound]"
    arguments = input_arguments(source, info, max_pixels)
    arguments += ["-filter_complex", graph, *keep_clock(info)]
    return [*arguments, "-map", "[sound]", *_SAMPLES, SAMPLES_FILENAME]


def describe_heard(info: MediaInfo) -> list[str]:
    """Return what becomes of the channels of the audio that models hear, in words."""
    info = join_tracks(info)
    audio = choose_audio(info)
    if audio is None:
        return []
    return [*describe_folds(info, {audio.index: MONO}), *describe_unheard(info, audio)]


def plan_prepared_samples(audio: str) -> list[str]:
    """Return FFmpeg's arguments for audio that ingest has already put on the video's clock."""
    open_flac = ["-f", "flac", "-format_whitelist", "flac", "-protocol_whitelist", "file"]
    return [*open_flac, "-i", f"file:{audio}", "-map", "0:a:0", *_SAMPLES, SAMPLES_FILENAME]


def _check(report: FfmpegReport, source: Path, info: MediaInfo) -> None:
    tally = without_joints(report.tally, source, info.format)
    if tally.ended_early or not ends_cleanly(source, info.format):
        raise reject_media("media_truncated")
    if tally.decode_errors or tally.corrupt_packets or tally.container_errors:
        raise reject_media("media_damaged")
