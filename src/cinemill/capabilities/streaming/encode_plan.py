"""The plan of a ladder: pure functions from a video and its rungs to FFmpeg's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.streaming.ladder import Rung, segment_frames
from cinemill.core.encoding.rendition import PRESETS, Purpose, VideoCodec
from cinemill.core.media import MediaInfo
from cinemill.core.tracks.channels import choose_front
from cinemill.media.color.convert import choose_playable, declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.encoding.transparency import flatten
from cinemill.media.ffmpeg.arguments import (
    audio_clock_filters,
    change_rate,
    deinterlace,
    hold_packets,
    input_arguments,
)
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.channels import describe_folds, fold_filter, locate_audio

MANIFEST = "manifest.mpd"
USUAL_FPS = Fraction(25)
AUDIO_BPS = 128_000


def plan_ladder(
    source: Path,
    info: MediaInfo,
    rungs: Sequence[Rung],
    purpose: Purpose,
    ffmpeg_binary: FfmpegBinary,
    max_pixels: int,
) -> list[str]:
    """Return FFmpeg's arguments: one decode, split, scaled and encoded once for each rung."""
    fps, _ = choose_rate(info)
    frames = segment_frames(fps)
    arguments = input_arguments(str(source), info, max_pixels)
    arguments += ["-filter_complex", _video_graph(info, rungs, fps, ffmpeg_binary.can_tonemap)]
    preset = PRESETS[purpose]
    for position, rung in enumerate(rungs):
        arguments += ["-map", f"[rung{position}]"]
        arguments += [f"-maxrate:v:{position}", str(rung.bitrate_bps)]
        arguments += [f"-bufsize:v:{position}", str(2 * rung.bitrate_bps)]
    arguments += ["-c:v", "libx264", "-preset", preset.effort[VideoCodec.H264]]
    arguments += ["-crf", str(preset.crf[VideoCodec.H264]), "-profile:v", "high"]
    # Key frames at the same frames in every rung, and nowhere else: a player switches rungs there.
    arguments += ["-g", str(frames), "-keyint_min", str(frames), "-sc_threshold", "0"]
    arguments += ["-flags", "+cgop", "-fps_mode", "passthrough"]
    if not info.video.is_variable_rate:
        arguments += hold_packets(info, begins_seconds=0.0)
    arguments += audio_arguments(info, audio_clock_filters(info))
    return arguments + muxer_arguments(frames / fps, len(rungs) + len(info.audio))


def choose_rate(info: MediaInfo) -> tuple[Fraction, tuple[str, ...]]:
    """Return a constant rate, for segments of equal length, and descriptions of what it changes."""
    fps = info.video.fps or USUAL_FPS
    if not info.video.is_variable_rate:
        return fps, ()
    rate = _moving_rate(info) or fps
    return Fraction(round(rate) or 1), ("the variable frame rate was made constant",)


def _moving_rate(info: MediaInfo) -> float:
    """Return the mean rate until a held last frame begins, which is no slow one; 0 if unknown."""
    video = info.video
    seconds = info.picture_seconds - video.last_frame_seconds
    if not video.holds_last_frame or seconds <= 0:
        return 0.0
    return max(0, video.frames_from_header - 1) / seconds


def _video_graph(info: MediaInfo, rungs: Sequence[Rung], fps: Fraction, can_tonemap: bool) -> str:
    source_color = find_color(info.video)
    color = choose_playable(source_color, keeps_hdr=not can_tonemap)
    filters = [declare(source_color), *deinterlace(info), *flatten(info)]
    is_late = info.start_seconds != info.clock_start_seconds
    filters += ["setpts=PTS-STARTPTS"] if is_late else []
    if info.video.is_variable_rate:
        filters += change_rate(info, fps, begins_seconds=0.0)
    filters += scale_to(_size(rungs[0]), source_color, color, "yuv420p", can_tonemap=can_tonemap)
    chains = []
    source = f"0:{info.video.index}"
    # Each rung is scaled from the one above it, which has a fraction of the source's pixels. All
    # state the same colors, or they would change when a player changes rungs.
    for position, rung in enumerate(rungs):
        again = scale_to(_size(rung), color, color, "yuv420p", can_tonemap=can_tonemap)
        chain = ",".join(filters if position == 0 else again)
        if position + 1 == len(rungs):
            chains.append(f"[{source}]{chain}[rung{position}]")
        else:
            chains.append(f"[{source}]{chain},split=2[rung{position}][over{position}]")
        source = f"over{position}"
    return ";".join(chains)


def _size(rung: Rung) -> tuple[int, int]:
    return rung.width, rung.height


def audio_arguments(info: MediaInfo, clock: str) -> list[str]:
    """Return the arguments of the audio tracks, in stereo or mono, with silence if they begin late.

    A playlist counts from its first sample, and only then is it as long as the video.
    """
    arguments: list[str] = []
    for number, audio in enumerate(info.audio):
        arguments += ["-map", locate_audio(info, audio)]
        channels = fold_filter(audio, choose_front(audio))
        arguments += [f"-filter:a:{number}", f"{clock},{channels}"]
    if info.audio:
        arguments += ["-c:a", "aac", "-b:a", str(AUDIO_BPS), "-ar", "48000"]
    return arguments


def describe_channels(info: MediaInfo) -> tuple[str, ...]:
    """Return what becomes of the channels of all tracks, and what is left out, in words."""
    folds = describe_folds(info, {one.index: choose_front(one) for one in info.audio})
    count = len(info.subtitles)
    if not count:
        return tuple(folds)
    tracks = "the subtitle track was" if count == 1 else f"{count} subtitle tracks were"
    return (*folds, f"{tracks} left out: a ladder has pictures and sound alone")


def muxer_arguments(seconds: Fraction, streams: int) -> list[str]:
    """Return arguments that mux each stream into one file, in segments of this many seconds."""
    # One adaptation set per stream: FFmpeg requires exactly one aspect ratio in a set, and sides
    # are rounded to even here. The published manifest is written by us.
    sets = " ".join(f"id={position},streams={position}" for position in range(streams))
    # A little less than a segment, so that rounding cannot skip its key frame.
    length = f"{float(seconds * Fraction(99, 100)):.6f}"
    return [
        *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
        *("-max_muxing_queue_size", "4096", "-f", "dash", "-seg_duration", length),
        *(
            "-single_file",
            "1",
            "-global_sidx",
            "1",
            "-single_file_name",
            "stream-$RepresentationID$.mp4",
        ),
        *("-hls_playlist", "1", "-adaptation_sets", sets, MANIFEST),
    ]
