"""Completeness of a video: what was declared against what was decoded, and what the log shows.

FFmpeg exits with 0 after half a video, so the log summary, the decoded frames and the end of the
file are checked here. Pure, except for :func:`ends_cleanly`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinemill.core.media import REJECTION_CODES, MaterialFormat, MediaInfo, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.probe.mp4_boxes import ENCODER_DELAY_SECONDS
from cinemill.media.probe.sniff import HEAD_BYTES, find_packet_bytes

TOLERANCE_SHARE = 0.02
TOLERANCE_SECONDS = 0.1
"""Headers are rounded, and players tolerate a missing last frame."""
UNCOUNTED_EDIT_SECONDS = 2 * ENCODER_DELAY_SECONDS
"""An edit may hide up to this much at a video's ends without being reported as one."""
UNDECLARED_FORMATS = frozenset({SourceFormat.MPEG_TS, SourceFormat.MPEG_PS, SourceFormat.OGG})
"""Containers whose duration is a guess from the file's end."""
_OGG_LAST_PAGE_BYTES = 65_307
_OGG_END_OF_STREAM = 0x04

_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder returned."""

    frames: int
    seconds: float
    audio_seconds: float | None = None
    """From the first frame to the end of the audio; None if no audio was decoded."""


def check_integrity(
    info: MediaInfo, tally: LogSummary, decoded: Decoded, *, has_clean_end: bool
) -> None:
    """Raise MediaRejected unless the video is complete.

    The code is ``media_truncated`` or ``media_damaged``.
    """
    if is_short(info, decoded):
        raise _reject("media_truncated")
    check_log(tally, has_clean_end=has_clean_end)


def check_log(tally: LogSummary, *, has_clean_end: bool) -> None:
    """Check the log and the end of the file alone, whatever was written.

    Raises as :func:`check_integrity` does.
    """
    if tally.ended_early or not has_clean_end:
        raise _reject("media_truncated")
    if is_damaged(tally):
        raise _reject("media_damaged")


def is_damaged(tally: LogSummary) -> bool:
    """Check whether the log shows that something could not be read or decoded."""
    if tally.decode_errors or tally.corrupt_packets or tally.container_errors:
        return True
    # Packets without a frame are ordinary (hidden frames, fields), and so are a codec's complaints;
    # both together mean that frames were lost.
    return tally.codec_errors > 0 and tally.video_frames < tally.video_packets


def is_short(info: MediaInfo, decoded: Decoded) -> bool:
    """Check whether less was decoded than the header declares."""
    if decoded.frames == 0:
        return True
    if info.format in UNDECLARED_FORMATS:
        return False
    return _is_short_by_time(info, decoded) or _lacks_frames(info, decoded)


def _is_short_by_time(info: MediaInfo, decoded: Decoded) -> bool:
    declared = info.video.duration_seconds_from_header
    seconds = decoded.seconds
    lead_seconds = max(0.0, info.start_seconds - info.clock_start_seconds)
    if info.audio and decoded.audio_seconds is None and (not declared or info.has_edit_list):
        # The declared duration may be the audio's, which was not decoded.
        declared = min(declared, info.duration_seconds_from_header)
        seconds += lead_seconds
    elif not declared or info.has_edit_list:
        declared = info.duration_seconds_from_header
        seconds = max(seconds, decoded.audio_seconds or 0.0) + lead_seconds
    elif info.format is SourceFormat.MATROSKA:
        seconds += lead_seconds  # its tag states when the track ends, not how long it is
    frame_seconds = decoded.seconds / decoded.frames
    slack = max(TOLERANCE_SECONDS, TOLERANCE_SHARE * declared, 2 * frame_seconds)
    return seconds < declared - slack


def _lacks_frames(info: MediaInfo, decoded: Decoded) -> bool:
    declared = info.video.frames_from_header
    if info.has_edit_list or info.video.is_interlaced:
        return False  # hidden frames, and fields in packets of their own, are counted too
    hidden = 0.0
    if info.format is SourceFormat.MP4:
        hidden = float(info.video.fps) * UNCOUNTED_EDIT_SECONDS
    return decoded.frames < declared - max(2, TOLERANCE_SHARE * declared, hidden)


def ends_cleanly(path: Path, container_format: SourceFormat | MaterialFormat) -> bool:
    """Check whether the file's end is intact, for containers whose demuxers do not report it."""
    if container_format is SourceFormat.MPEG_TS:
        return _ends_on_packet(path)
    if container_format is SourceFormat.OGG:
        return _ends_with_last_page(path)
    if container_format is SourceFormat.ASF:
        return _has_declared_size(path)
    return True


def _ends_on_packet(path: Path) -> bool:
    with path.open("rb") as file:
        layout = find_packet_bytes(file.read(HEAD_BYTES))
    if layout is None:
        return True
    size, start = layout
    # In 192-byte packets a 4-byte clock comes before the sync byte, so packets begin at 0 all the
    # same.
    return (path.stat().st_size - (0 if size == 192 else start)) % size == 0


def _ends_with_last_page(path: Path) -> bool:
    """Check that the last page is whole and flagged as last (RFC 3533, section 6)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _OGG_LAST_PAGE_BYTES))
        end = file.read()
    at = end.rfind(b"OggS")
    if at < 0 or len(end) < at + 27:
        return False
    segments = end[at + 26]
    lacing = end[at + 27 : at + 27 + segments]
    is_whole = len(lacing) == segments and at + 27 + segments + sum(lacing) == len(end)
    return is_whole and bool(end[at + 5] & _OGG_END_OF_STREAM)


def _has_declared_size(path: Path) -> bool:
    """Check an ASF file's declared size, unless it was broadcast (ASF 1.2, section 3.2).

    FFmpeg trusts its index over its length: a truncated file ends early without any log message.
    """
    with path.open("rb") as file:
        head = file.read(_ASF_HEADER_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return False
    declared = int.from_bytes(head[at + 40 : at + 48], "little")
    is_broadcast = head[at + 88] & 1
    return bool(is_broadcast) or path.stat().st_size >= declared


def _reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)
