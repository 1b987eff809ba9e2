"""The plan of a ladder: pure functions from a video and its rungs to FFmpeg's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.streaming.ladder import Rung, segment_frames
from cinemill.core.encoding.rendition import PRESETS, Purpose, VideoCodec
from cinemill.core.media import AudioStream, MediaInfo
from cinemill.media.encoding.tonemap import tonemap
from cinemill.media.ffmpeg.arguments import audio_clock_filters, input_arguments
from cinemill.media.ffmpeg.binary import FfmpegBinary

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
    arguments += audio_arguments(info.audio, audio_clock_filters(info))
    return arguments + muxer_arguments(frames / fps, len(rungs) + len(info.audio))


def choose_rate(info: MediaInfo) -> tuple[Fraction, tuple[str, ...]]:
    """Return a constant rate, for segments of equal length, and descriptions of what it changes."""
    fps = info.video.fps or USUAL_FPS
    if not info.video.is_variable_rate:
        return fps, ()
    return Fraction(round(fps) or 1), ("the variable frame rate was made constant",)


def _video_graph(info: MediaInfo, rungs: Sequence[Rung], fps: Fraction, can_tonemap: bool) -> str:
    filters = ["bwdif=mode=send_frame:deint=interlaced"] if info.video.is_interlaced else []
    is_late = info.start_seconds != info.clock_start_seconds
    filters += ["setpts=PTS-STARTPTS"] if is_late else []
    filters += [f"fps={fps}"] if info.video.is_variable_rate else []
    color = tonemap(info) if info.video.hdr and can_tonemap else []
    filters += [_scale(rungs[0]), *color, "scale=out_range=tv,format=yuv420p"]
    chains = []
    source = f"0:{info.video.index}"
    # Each rung is scaled from the one above it, which has a fraction of the source's pixels.
    for position, rung in enumerate(rungs):
        chain = ",".join(filters if position == 0 else [_scale(rung)])
        if position + 1 == len(rungs):
            chains.append(f"[{source}]{chain}[rung{position}]")
        else:
            chains.append(f"[{source}]{chain},split=2[rung{position}][over{position}]")
        source = f"over{position}"
    return ";".join(chains)


def _scale(rung: Rung) -> str:
    return f"scale={rung.width}:{rung.height}:flags=bicubic,setsar=1"


def audio_arguments(audio_streams: Sequence[AudioStream], clock: str) -> list[str]:
    """Return the arguments of the audio tracks, with silence if they begin late.

    A playlist counts from its first sample, and only then is it as long as the video.
    """
    arguments: list[str] = []
    for audio in audio_streams:
        arguments += ["-map", f"0:{audio.index}"]
    if audio_streams:
        arguments += ["-c:a", "aac", "-b:a", str(AUDIO_BPS), "-ar", "48000"]
        arguments += ["-af", f"{clock},aformat=channel_layouts=stereo|mono"]
    return arguments


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
