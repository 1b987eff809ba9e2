"""Renditions for adaptive play: one decode, a file for each rung and each sound, HLS and DASH.

FFmpeg's dash muxer writes each stream into one fragmented MP4 and tells where its segments lie; the
playlists and the manifest are written here, from what lies there.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from cinemill.core.ladder import (
    DASH_NAMESPACE,
    SEGMENT_SECONDS,
    MediaSegment,
    Rung,
    Stream,
    as_h264_bps,
    choose_rungs,
    segment_frames,
    write_manifest,
    write_master_playlist,
    write_media_playlist,
)
from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.rendition import PRESETS, Purpose, VideoCodec
from cinemill.errors import OutputInvalid
from cinemill.media.color import tone_down
from cinemill.media.ffmpeg import run_ffmpeg
from cinemill.media.graph import input_arguments, sound_clock
from cinemill.media.limits import Limits
from cinemill.media.progress import share_of_time
from cinemill.media.sandbox import Sandbox
from cinemill.media.toolbox import Toolbox
from cinemill.media.truth import Decoded, ends_cleanly, judge_film

MASTER_PLAYLIST = "master.m3u8"
MANIFEST = "manifest.mpd"
MEDIA_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
}
USUAL_FPS = Fraction(25)
SOUND_BPS = 128_000
LATE_SECONDS = 0.5
"""Sound that is copied may be so much shorter or longer than its picture; else silence is put in,
for which it must be encoded."""
_BYTE_RANGE = re.compile(r'BYTERANGE[:=]"?(\d+)@(\d+)')
_EXTINF = re.compile(r"#EXTINF:([\d.]+)")
_QUICK_PIXELS = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True, slots=True)
class LadderOutcome:
    """Verified files in the private folder: streams, their playlists, the manifest."""

    files: tuple[Path, ...]
    pictures: tuple[Stream, ...]
    sounds: tuple[Stream, ...]
    frames: int
    changes: tuple[str, ...]
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class _Work:
    toolbox: Toolbox
    source: Path
    info: MediaInfo
    folder: Path
    limits: Limits
    sandbox: Sandbox
    on_progress: Callable[[float], None]
    should_stop: Callable[[], Exception | None]


def make_ladder(
    toolbox: Toolbox,
    source: Path,
    info: MediaInfo,
    purpose: Purpose,
    *,
    folder: Path,
    limits: Limits,
    sandbox: Sandbox,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], Exception | None],
) -> LadderOutcome:
    """Every rung that the film needs, in H.264 with AAC, in ``folder``, empty and private.

    ``on_progress`` is told the share that is done, 0 to 1.

    Raises MediaRejected, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever
    ``should_stop`` returns.
    """
    work = _Work(toolbox, source, info, folder, limits, sandbox, on_progress, should_stop)
    rungs = list_rungs(info)
    fps, changes = _choose_rate(info)
    report = _run(work, plan_ladder(work.source, info, rungs, purpose, toolbox, limits.max_pixels))
    pictures, sounds = _read_streams(work, rungs, info.audio, fps)
    counts = {_count_frames(folder / stream.filename) for stream in pictures}
    if len(counts) != 1:
        raise OutputInvalid(f"The rungs have {sorted(counts)} pictures.")
    frames = counts.pop()
    seconds = pictures[0].seconds
    heard_seconds = max((sound.seconds for sound in sounds), default=None)
    decoded = Decoded(report.tally.video_frames if changes else frames, seconds, heard_seconds)
    judge_film(info, report.tally, decoded, has_clean_end=ends_cleanly(source, info.format))
    if not changes and frames != report.tally.video_frames:
        raise OutputInvalid(f"{report.tally.video_frames} pictures in, {frames} out.")
    files = _write_lists(folder, pictures, sounds)
    return LadderOutcome(files, pictures, sounds, frames, changes, report.tally.cpu_seconds)


def list_rungs(info: MediaInfo) -> tuple[Rung, ...]:
    """The rungs of this film; its sound's share of the bits is not counted off."""
    video = info.video
    fps = video.fps or USUAL_FPS
    source_bps = as_h264_bps(video.codec, info.bitrate_bps)
    return choose_rungs(video.display_width, video.display_height, fps, source_bps)


def can_be_copied(info: MediaInfo) -> bool:
    """Whether browsers play the picture as it is, so that nothing but its wrapping must change."""
    video = info.video
    return (
        video.codec == "h264"
        and video.pixel_format in _QUICK_PIXELS
        and not video.is_interlaced
        and not video.rotation_degrees
        and not info.has_edit_list
    )


def copy_stream(
    toolbox: Toolbox,
    source: Path,
    info: MediaInfo,
    *,
    folder: Path,
    limits: Limits,
    sandbox: Sandbox,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], Exception | None],
) -> LadderOutcome:
    """The film's own picture in segments, without encoding: playable while rungs are made.

    Only where :func:`can_be_copied`. Raises as :func:`make_ladder` does, but for MediaRejected:
    nothing is decoded, so nothing is judged.
    """
    work = _Work(toolbox, source, info, folder, limits, sandbox, on_progress, should_stop)
    if all(sound.codec == "aac" for sound in info.audio):
        maps = [word for sound in info.audio for word in ("-map", f"0:{sound.index}")]
        copied = _copy_stream(work, [*maps, "-c:a", "copy"])
        sounds = [
            replace(stream, sample_rate_hz=sound.sample_rate_hz, channels=sound.channels)
            for stream, sound in zip(copied.sounds, info.audio, strict=True)
        ]
        if all(abs(sound.seconds - copied.pictures[0].seconds) <= LATE_SECONDS for sound in sounds):
            _write_lists(folder, copied.pictures, sounds)
            return replace(copied, sounds=tuple(sounds))
        for left in folder.iterdir():
            left.unlink()
    # The picture keeps the file's own clock here, and so does the sound.
    return _copy_stream(work, _sound_arguments(info.audio, "aresample=async=1:first_pts=0"))


def _copy_stream(work: _Work, sound_arguments: Sequence[str]) -> LadderOutcome:
    info = work.info
    arguments = [
        *input_arguments(str(work.source), info, work.limits.max_pixels),
        *("-map", f"0:{info.video.index}", "-c:v", "copy", *sound_arguments),
        *_muxer_arguments(Fraction(SEGMENT_SECONDS), 1 + len(info.audio)),
    ]
    report = _run(work, arguments)
    own = Rung(info.video.width, info.video.height, 0)
    pictures, sounds = _read_streams(work, (own,), info.audio, info.video.fps or USUAL_FPS)
    frames = _count_frames(work.folder / pictures[0].filename)
    files = _write_lists(work.folder, pictures, sounds)
    return LadderOutcome(files, pictures, sounds, frames, (), report.tally.cpu_seconds)


def plan_ladder(
    source: Path,
    info: MediaInfo,
    rungs: Sequence[Rung],
    purpose: Purpose,
    toolbox: Toolbox,
    max_pixels: int,
) -> list[str]:
    """FFmpeg's arguments: one decode, split, scaled and encoded once for each rung."""
    fps, _ = _choose_rate(info)
    frames = segment_frames(fps)
    arguments = input_arguments(str(source), info, max_pixels)
    arguments += ["-filter_complex", _picture_graph(info, rungs, fps, toolbox.can_tonemap)]
    preset = PRESETS[purpose]
    for position, rung in enumerate(rungs):
        arguments += ["-map", f"[rung{position}]"]
        arguments += [f"-maxrate:v:{position}", str(rung.bitrate_bps)]
        arguments += [f"-bufsize:v:{position}", str(2 * rung.bitrate_bps)]
    arguments += ["-c:v", "libx264", "-preset", preset.effort[VideoCodec.H264]]
    arguments += ["-crf", str(preset.crf[VideoCodec.H264]), "-profile:v", "high"]
    # Key frames at the same pictures in every rung, and nowhere else: a player changes rungs there.
    arguments += ["-g", str(frames), "-keyint_min", str(frames), "-sc_threshold", "0"]
    arguments += ["-flags", "+cgop", "-fps_mode", "passthrough"]
    arguments += _sound_arguments(info.audio, sound_clock(info))
    return arguments + _muxer_arguments(frames / fps, len(rungs) + len(info.audio))


def _choose_rate(info: MediaInfo) -> tuple[Fraction, tuple[str, ...]]:
    """A constant rate, for segments of one length; and what had to be changed for it."""
    fps = info.video.fps or USUAL_FPS
    if not info.video.is_variable_rate:
        return fps, ()
    return Fraction(round(fps) or 1), ("the variable rate was made constant",)


def _picture_graph(info: MediaInfo, rungs: Sequence[Rung], fps: Fraction, can_tonemap: bool) -> str:
    filters = ["bwdif=mode=send_frame:deint=interlaced"] if info.video.is_interlaced else []
    is_late = info.start_seconds != info.clock_start_seconds
    filters += ["setpts=PTS-STARTPTS"] if is_late else []
    filters += [f"fps={fps}"] if info.video.is_variable_rate else []
    color = tone_down(info) if info.video.hdr and can_tonemap else []
    filters += [_scale(rungs[0]), *color, "scale=out_range=tv,format=yuv420p"]
    chains = []
    source = f"0:{info.video.index}"
    # Each rung is made of the one above it, which is a fraction of the film's pixels.
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


def _sound_arguments(sounds: Sequence[AudioStream], clock: str) -> list[str]:
    """Every track whole, with silence where it begins late: a playlist counts from its first
    sample, and is as long as the film only then."""
    arguments: list[str] = []
    for sound in sounds:
        arguments += ["-map", f"0:{sound.index}"]
    if sounds:
        arguments += ["-c:a", "aac", "-b:a", str(SOUND_BPS), "-ar", "48000"]
        arguments += ["-af", f"{clock},aformat=channel_layouts=stereo|mono"]
    return arguments


def _muxer_arguments(seconds: Fraction, streams: int) -> list[str]:
    # A set for each: FFmpeg wants one shape in a set, to the pixel, and sides are even here. The
    # manifest that people get is written by us.
    sets = " ".join(f"id={position},streams={position}" for position in range(streams))
    # A little less than a segment, so that rounding cannot let its key frame go by.
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


def _run(work: _Work, arguments: Sequence[str]) -> Any:
    return run_ffmpeg(
        work.toolbox,
        arguments,
        folder=work.folder,
        source=work.source,
        limits=work.limits,
        sandbox=work.sandbox,
        on_progress=share_of_time(work.on_progress, work.info.duration_seconds_from_header),
        should_stop=work.should_stop,
    )


def _read_streams(
    work: _Work, rungs: Sequence[Rung], sounds: Sequence[AudioStream], fps: Fraction
) -> tuple[tuple[Stream, ...], tuple[Stream, ...]]:
    """What FFmpeg wrote, under names of ours. Raises OutputInvalid."""
    codecs = _read_codecs(work.folder / MANIFEST)
    pictures = [
        replace(
            _read_stream(work.folder, position, f"{min(rung.width, rung.height)}p.mp4", codecs),
            width=rung.width,
            height=rung.height,
            fps=fps,
        )
        for position, rung in enumerate(rungs)
    ]
    heard = [
        replace(
            _read_stream(work.folder, len(rungs) + position, f"sound-{position + 1}.mp4", codecs),
            sample_rate_hz=48_000,
            channels=min(2, sound.channels),
            language=sound.language,
        )
        for position, sound in enumerate(sounds)
    ]
    for left in work.folder.iterdir():
        if left.suffix != ".mp4":
            left.unlink()
    return tuple(pictures), tuple(heard)


def _read_codecs(manifest: Path) -> dict[str, str]:
    """By the representation's id."""
    try:
        root = ET.parse(manifest).getroot()  # noqa: S314 - our own FFmpeg wrote it just now
    except (OSError, ET.ParseError) as broken:
        raise OutputInvalid(f"{manifest.name} cannot be read back: {broken}") from broken
    found = root.iter(f"{{{DASH_NAMESPACE}}}Representation")
    return {one.attrib["id"]: one.attrib.get("codecs", "") for one in found}


def _read_stream(folder: Path, position: int, filename: str, codecs: dict[str, str]) -> Stream:
    written = folder / f"stream-{position}.mp4"
    playlist = folder / f"media_{position}.m3u8"
    if not written.is_file() or not playlist.is_file():
        raise OutputInvalid(f"{filename} was not written.")
    head_bytes, segments = read_segments(playlist.read_text("utf-8"))
    end = segments[-1].start_byte + segments[-1].size_bytes if segments else 0
    index_start, index_bytes = _find_index(written)
    if (
        end != written.stat().st_size
        or index_start + index_bytes != head_bytes
        or not codecs.get(str(position))
    ):
        raise OutputInvalid(f"{filename} has {written.stat().st_size} bytes, {end} of them listed.")
    written.rename(folder / filename)
    return Stream(filename, codecs[str(position)], head_bytes, index_bytes, segments)


def _find_index(path: Path) -> tuple[int, int]:
    """(start, bytes) of the segment index (ISO/IEC 14496-12, section 8.16.3); zeros without one."""
    start = 0
    with path.open("rb") as film:
        while len(head := film.read(8)) == 8:
            size, kind = int.from_bytes(head[:4]), head[4:]
            if kind == b"sidx":
                return start, size
            if kind == b"moof" or size < 8:
                break
            start += size
            film.seek(start)
    return 0, 0


def read_segments(playlist: str) -> tuple[int, tuple[MediaSegment, ...]]:
    """(bytes of the head, segments) of one of FFmpeg's playlists with ranges of bytes."""
    head_bytes, seconds = 0, 0.0
    segments = []
    for line in playlist.splitlines():
        ranged = _BYTE_RANGE.search(line)
        if line.startswith("#EXT-X-MAP") and ranged:
            head_bytes = int(ranged.group(1))
        elif timed := _EXTINF.match(line):
            seconds = float(timed.group(1))
        elif ranged:
            segments.append(MediaSegment(int(ranged.group(2)), int(ranged.group(1)), seconds))
    return head_bytes, tuple(segments)


def _count_frames(path: Path) -> int:
    try:
        with path.open("rb") as film, av.open(film, mode="r", format="mov") as container:
            stream = container.streams.video[0]
            return len([None for packet in container.demux(stream) if packet.pts is not None])
    except (av.FFmpegError, IndexError) as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken


def _write_lists(
    folder: Path, pictures: Sequence[Stream], sounds: Sequence[Stream]
) -> tuple[Path, ...]:
    texts = {stream.playlist_name: write_media_playlist(stream) for stream in (*pictures, *sounds)}
    texts[MASTER_PLAYLIST] = write_master_playlist(pictures, sounds)
    texts[MANIFEST] = write_manifest(pictures, sounds)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    streams = [folder / stream.filename for stream in (*pictures, *sounds)]
    return (*streams, *(folder / name for name in texts))
