"""Renditions for adaptive streaming: one decode, a file per rung and audio track, HLS and DASH.

FFmpeg's dash muxer writes each stream into one fragmented MP4 and reports its segments; the
playlists and the manifest are written here from that.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.streaming.encode_plan import (
    MANIFEST,
    USUAL_FPS,
    audio_arguments,
    choose_rate,
    describe_channels,
    muxer_arguments,
    plan_ladder,
)
from cinemill.capabilities.streaming.ladder import (
    DASH_NAMESPACE,
    SEGMENT_SECONDS,
    MediaSegment,
    Rung,
    Stream,
    as_h264_bps,
    choose_rungs,
    write_manifest,
    write_master_playlist,
    write_media_playlist,
)
from cinemill.core.encoding.rendition import Purpose
from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.channels import SPEAKERS, choose_front
from cinemill.core.tracks.choice import choose_audio_track, list_roles
from cinemill.core.tracks.names import name_tracks
from cinemill.errors import OutputInvalid
from cinemill.media.encoding.copying import COPY_AAC, COPY_H264, has_frame_times, hear_copies
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import LogSummary, share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, open_mp4
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import Decoded, blame_source, ends_cleanly, find_flaw

MASTER_PLAYLIST = "master.m3u8"
MEDIA_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
}
LATE_SECONDS = 0.5
"""Copied audio may be this much shorter or longer than its video; otherwise silence is inserted,
for which it must be encoded."""
_BYTE_RANGE = re.compile(r'BYTERANGE[:=]"?(\d+)@(\d+)')
_EXTINF = re.compile(r"#EXTINF:([\d.]+)")
_QUICK_PIXELS = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True, slots=True)
class LadderOutcome:
    """Verified files in the private folder: streams, their playlists, the manifest."""

    files: tuple[Path, ...]
    video_streams: tuple[Stream, ...]
    audio_streams: tuple[Stream, ...]
    frames: int
    changes: tuple[str, ...]
    cpu_seconds: float
    flaw: str = ""
    """Code of why the source is not complete; only where the best is made of it all the same."""
    lacks_sound: bool = False
    """Whether its audio was left out, because nothing can be made of it."""


def make_ladder(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    purpose: Purpose,
    *,
    best_effort: bool = False,
) -> LadderOutcome:
    """Encode every rung that the video needs, in H.264 with AAC, in the session's empty folder.

    With ``best_effort``, a damaged source is no error as long as it has a frame; where its audio is
    of no use, it is left out.

    Raises MediaRejected, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever
    ``should_stop`` returns.
    """
    try:
        return with_steady_audio(
            session,
            source,
            info,
            lambda steady: _encode(session, source, steady, purpose, best_effort),
        )
    except FfmpegFailed as failed:
        blamed = blame_source(failed)
        if not (best_effort and info.audio and blamed and failed.tally.gave_up):
            raise (blamed or failed) from failed
    outcome = _encode(session, source, replace(info, audio=()), purpose, best_effort)
    return replace(outcome, flaw=outcome.flaw or "media_damaged", lacks_sound=True)


def _encode(
    session: FfmpegSession, source: Path, info: MediaInfo, purpose: Purpose, best_effort: bool
) -> LadderOutcome:
    rungs = list_rungs(info)
    fps, changes = choose_rate(info)
    pixels = session.limits.max_pixels
    plan = plan_ladder(source, info, rungs, purpose, session.binary, pixels)
    tally = run_ladder(session, source, info, plan)
    video_streams, audio_streams = _read_streams(session.folder, rungs, info.audio, fps)
    counts = {_count_frames(session.folder / stream.filename) for stream in video_streams}
    if len(counts) != 1:
        raise OutputInvalid(f"The renditions have different frame counts: {sorted(counts)}.")
    frames = counts.pop()
    seconds = video_streams[0].seconds
    audio_seconds = max((track.seconds for track in audio_streams), default=None)
    decoded = Decoded(tally.video_frames if changes else frames, seconds, audio_seconds)
    flaw = find_flaw(info, tally, decoded, has_clean_end=ends_cleanly(source, info.format))
    if flaw and not (best_effort and frames):
        raise reject_media(flaw)
    if not flaw and not changes and frames != tally.video_frames:
        raise OutputInvalid(f"{tally.video_frames} frames in, {frames} out.")
    files = _write_lists(session.folder, video_streams, audio_streams)
    changes += describe_channels(info)
    return LadderOutcome(
        files, video_streams, audio_streams, frames, changes, tally.cpu_seconds, flaw
    )


def list_rungs(info: MediaInfo) -> tuple[Rung, ...]:
    """Return the rungs of this video; its audio's share of the bitrate is not subtracted."""
    video = info.video
    fps = video.fps or USUAL_FPS
    source_bps = as_h264_bps(video.codec, info.bitrate_bps)
    return choose_rungs(video.display_width, video.display_height, fps, source_bps)


def can_be_copied(info: MediaInfo) -> bool:
    """Check whether browsers play the video as it is, so that only its container must change."""
    video = info.video
    return (
        video.codec == "h264"
        and video.pixel_format in _QUICK_PIXELS
        and not video.is_interlaced
        and not video.rotation_degrees
        and not info.has_edit_list
        and has_frame_times(info)
    )


def tell_why_not_copied(info: MediaInfo) -> str:
    """Return why there is nothing to play while rungs are encoded; empty if there is."""
    if not info.has_picture:
        return "It is sound alone, which can be played once it is encoded."
    encoded = "The video must be encoded before browsers can play it."
    return "" if can_be_copied(info) else encoded


def copy_stream(session: FfmpegSession, source: Path, info: MediaInfo) -> LadderOutcome:
    """Write the source's own video in segments, without encoding: playable while rungs are encoded.

    Requires :func:`can_be_copied`. Raises as :func:`make_ladder` does, except MediaRejected:
    nothing is decoded, so nothing is checked.
    """
    if all(track.codec == "aac" for track in info.audio):
        copied = _copy_with_audio(session, source, info)
        if copied is not None:
            return copied
        for left in session.folder.iterdir():
            left.unlink()
    # The video keeps the file's own clock here, and so does the audio.
    clock = audio_arguments(info, "aresample=async=1:first_pts=0")
    return _copy_stream(session, source, info, clock)


def _copy_with_audio(session: FfmpegSession, source: Path, info: MediaInfo) -> LadderOutcome | None:
    """Copy the video and its AAC; None where the audio cannot be copied, or has another length."""
    maps = [word for track in info.audio for word in ("-map", f"0:{track.index}")]
    try:
        copied = _copy_stream(session, source, info, [*maps, *COPY_AAC], info.audio)
    except (FfmpegFailed, OutputInvalid):
        if not info.audio:
            raise
        return None
    audio_streams = [
        replace(stream, sample_rate_hz=track.sample_rate_hz, channels=track.channels)
        for stream, track in zip(copied.audio_streams, info.audio, strict=True)
    ]
    video_seconds = copied.video_streams[0].seconds
    if any(abs(track.seconds - video_seconds) > LATE_SECONDS for track in audio_streams):
        return None
    _write_lists(session.folder, copied.video_streams, audio_streams)
    return replace(copied, audio_streams=tuple(audio_streams))


def _copy_stream(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    audio_options: Sequence[str],
    copied: Sequence[AudioStream] = (),
) -> LadderOutcome:
    arguments = [
        *input_arguments(str(source), info, session.limits.max_pixels),
        *("-map", f"0:{info.video.index}", *COPY_H264, *audio_options),
        *muxer_arguments(Fraction(SEGMENT_SECONDS), 1 + len(info.audio)),
        *hear_copies(info, copied),
    ]
    tally = run_ladder(session, source, info, arguments)
    own = Rung(info.video.display_width, info.video.display_height, 0)
    rate = info.video.fps or USUAL_FPS
    video_streams, audio_streams = _read_streams(session.folder, (own,), info.audio, rate)
    frames = _count_frames(session.folder / video_streams[0].filename)
    files = _write_lists(session.folder, video_streams, audio_streams)
    return LadderOutcome(files, video_streams, audio_streams, frames, (), tally.cpu_seconds)


def run_ladder(
    session: FfmpegSession, source: Path, info: MediaInfo, arguments: Sequence[str]
) -> LogSummary:
    """Run the command in the session; return what its log shows. Raises FfmpegFailed and others."""
    report = share_of_time(session.on_progress, info.duration_seconds_from_header)
    return session.run(arguments, readable=[source], on_progress=report).tally


def _read_streams(
    folder: Path, rungs: Sequence[Rung], audio_streams: Sequence[AudioStream], fps: Fraction
) -> tuple[tuple[Stream, ...], tuple[Stream, ...]]:
    """Read FFmpeg's output files and give them our names. Raises OutputInvalid."""
    codecs = read_codecs(folder / MANIFEST)
    video_streams = [
        replace(
            read_stream(folder, position, f"{min(rung.width, rung.height)}p.mp4", codecs),
            width=rung.width,
            height=rung.height,
            fps=fps,
        )
        for position, rung in enumerate(rungs)
    ]
    names, main = name_tracks(audio_streams), choose_audio_track(audio_streams)
    audio_tracks = [
        replace(
            read_stream(folder, len(rungs) + position, f"sound-{position + 1}.mp4", codecs),
            sample_rate_hz=48_000,
            channels=len(SPEAKERS[choose_front(track)]),
            language=track.language,
            name=names[position],
            roles=list_roles(track),
            is_main=track == main,
        )
        for position, track in enumerate(audio_streams)
    ]
    remove_leftovers(folder)
    return tuple(video_streams), tuple(audio_tracks)


def remove_leftovers(folder: Path) -> None:
    """Remove FFmpeg's own playlists and manifest."""
    for left in folder.iterdir():
        if left.suffix != ".mp4":
            left.unlink()


def read_codecs(manifest: Path) -> dict[str, str]:
    """Return codecs by the representation's id, from FFmpeg's manifest. Raises OutputInvalid."""
    try:
        root = ET.parse(manifest).getroot()  # noqa: S314 - our own FFmpeg wrote it just now
    except (OSError, ET.ParseError) as broken:
        raise OutputInvalid(f"{manifest.name} cannot be read back: {broken}") from broken
    found = root.iter(f"{{{DASH_NAMESPACE}}}Representation")
    return {one.attrib["id"]: one.attrib.get("codecs", "") for one in found}


def read_stream(folder: Path, position: int, filename: str, codecs: dict[str, str]) -> Stream:
    """Read one of FFmpeg's output files and give it a name of ours. Raises OutputInvalid."""
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
    """Return (start, bytes) of the segment index; zeros without one.

    See ISO/IEC 14496-12, section 8.16.3.
    """
    start = 0
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4]), head[4:]
            if kind == b"sidx":
                return start, size
            if kind == b"moof" or size < 8:
                break
            start += size
            file.seek(start)
    return 0, 0


def read_segments(playlist: str) -> tuple[int, tuple[MediaSegment, ...]]:
    """Return (bytes of the head, segments) from one of FFmpeg's playlists with byte ranges."""
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
        with path.open("rb") as file, open_mp4(file) as container:
            stream = container.streams.video[0]
            return len([None for packet in container.demux(stream) if packet.pts is not None])
    except PacketError as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken


def _write_lists(
    folder: Path, video_streams: Sequence[Stream], audio_streams: Sequence[Stream]
) -> tuple[Path, ...]:
    texts = {
        stream.playlist_name: write_media_playlist(stream)
        for stream in (*video_streams, *audio_streams)
    }
    texts[MASTER_PLAYLIST] = write_master_playlist(video_streams, audio_streams)
    texts[MANIFEST] = write_manifest(video_streams, audio_streams)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    streams = [folder / stream.filename for stream in (*video_streams, *audio_streams)]
    return (*streams, *(folder / name for name in texts))
