"""Completeness of a video: what was declared against what was decoded, and what the log shows.

FFmpeg exits with 0 after half a video, so the log summary, the decoded frames and the end of the
file are checked here. Pure, except for :func:`ends_cleanly`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinemill.core.media import ANIMATIONS, MaterialFormat, MediaInfo, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.probe.mp4_boxes import ENCODER_DELAY_SECONDS
from cinemill.media.probe.sniff import HEAD_BYTES, find_packet_bytes
from cinemill.media.rejections import reject_media

TOLERANCE_SHARE = 0.02
TOLERANCE_SECONDS = 0.1
"""Headers are rounded, and players tolerate a missing last frame."""
UNCOUNTED_EDIT_SECONDS = 2 * ENCODER_DELAY_SECONDS
"""An edit may hide up to this much at a video's ends without being reported as one."""
UNDECLARED_FORMATS = frozenset(
    {SourceFormat.MPEG_TS, SourceFormat.MPEG_PS, SourceFormat.OGG, *ANIMATIONS}
)
"""Containers whose duration is a guess from the file's end, or the sum of what is there."""
OF_ALL_STREAMS = frozenset({SourceFormat.ASF})
"""Containers that state one duration, which is that of the longest stream (ASF 1.2, 3.2)."""
_EMPTY_SLOTS_RATIO = 1.5
"""Where an AVI has fewer slots for each frame, those without one may have been lost."""
_GIF_TRAILER = b";"
_GIF_PADDING = b"\x00\r\n"
_OGG_LAST_PAGE_BYTES = 65_307
_OGG_END_OF_STREAM = 0x04

_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES = 65_536

_OF_DECODER = "[dec:"
"""In lines of a decoder. Older FFmpegs have no such mark: their failures are tried once more."""


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
    if flaw := find_flaw(info, tally, decoded, has_clean_end=has_clean_end):
        raise reject_media(flaw)


def find_flaw(info: MediaInfo, tally: LogSummary, decoded: Decoded, *, has_clean_end: bool) -> str:
    """Return the code of why the video is not complete; empty if it is."""
    log_flaw = find_log_flaw(tally, has_clean_end=has_clean_end)
    if not is_short(info, decoded):
        return log_flaw
    # Frames that are lost before its end do not make it end early.
    reaches_end = decoded.frames > 0 and not _is_short_by_time(info, decoded)
    return log_flaw if log_flaw and reaches_end else "media_truncated"


def blame_source(failed: FfmpegFailed) -> MediaRejected | None:
    """Return the rejection of a damaged video over which a command failed; None if it is whole.

    If FFmpeg started and gave up over what a decoder said, it would do the same again: a track that
    cannot be opened, for instance, leaves the file of that sound without a beginning. "Conversion
    failed!" alone says nothing of the video: an encoder or the muxer may be to blame, or the
    machine; then there is no evidence.
    """
    if flaw := find_log_flaw(failed.tally, has_clean_end=True):
        return reject_media(flaw)
    has_given_up = failed.code == "command_failed" and failed.tally.gave_up and failed.evidence
    is_blamed = has_given_up and any(_OF_DECODER in line for line in failed.errors)
    return reject_media("media_damaged") if is_blamed else None


def check_log(tally: LogSummary, *, has_clean_end: bool) -> None:
    """Check the log and the end of the file alone, whatever was written.

    Raises as :func:`check_integrity` does.
    """
    if flaw := find_log_flaw(tally, has_clean_end=has_clean_end):
        raise reject_media(flaw)


def find_sound_flaw(
    info: MediaInfo, tally: LogSummary, seconds: float, *, has_clean_end: bool
) -> str:
    """Return the code of why sound alone is not complete; empty if it is.

    ``seconds`` is how much was decoded.
    """
    flaw = find_log_flaw(tally, has_clean_end=has_clean_end)
    if info.format in UNDECLARED_FORMATS:
        return flaw
    declared = info.duration_seconds_from_header
    slack = max(TOLERANCE_SECONDS, TOLERANCE_SHARE * declared)
    return "media_truncated" if seconds < declared - slack else flaw


def find_log_flaw(tally: LogSummary, *, has_clean_end: bool) -> str:
    """Return the code of what the log and the end of the file show; empty if nothing."""
    if tally.ended_early or not has_clean_end:
        return "media_truncated"
    return "media_damaged" if is_damaged(tally) else ""


def is_damaged(tally: LogSummary) -> bool:
    """Check whether the log shows that something could not be read or decoded."""
    corrupt_packets = 0 if tally.is_open_ended else tally.corrupt_packets
    if tally.decode_errors or corrupt_packets or tally.container_errors:
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
    lead_seconds = info.lead_seconds
    is_of_all = not declared or info.has_edit_list or info.format in OF_ALL_STREAMS
    is_silent = bool(info.audio) and decoded.audio_seconds is None
    if is_silent and info.format in OF_ALL_STREAMS:
        return False
    if is_silent and is_of_all:
        # The declared duration may be the audio's, which was not decoded.
        declared = min(declared, info.duration_seconds_from_header)
        seconds += lead_seconds
    elif is_of_all:
        declared = info.duration_seconds_from_header
        seconds = max(seconds, decoded.audio_seconds or 0.0) + lead_seconds
    elif info.format is SourceFormat.MATROSKA:
        seconds += lead_seconds  # its tag states when the track ends, not how long it is
    frame_seconds = decoded.seconds / decoded.frames
    slack = max(TOLERANCE_SECONDS, TOLERANCE_SHARE * declared, 2 * frame_seconds)
    # Whatever became of its length: once the last frame has come, nothing is missing.
    return seconds < declared - info.video.last_frame_seconds - slack


def _lacks_frames(info: MediaInfo, decoded: Decoded) -> bool:
    declared = info.video.frames_from_header
    if info.has_edit_list or info.video.is_interlaced:
        return False  # hidden frames, and fields in packets of their own, are counted too
    hidden = 0.0
    if info.format is SourceFormat.MP4:
        hidden = float(info.video.fps) * UNCOUNTED_EDIT_SECONDS
    frames = decoded.frames
    if info.format is SourceFormat.AVI:
        # It has a slot for each tick, and leaves those empty in which no new frame is shown.
        slots = round(decoded.seconds * info.video.fps)
        frames = slots if slots > _EMPTY_SLOTS_RATIO * frames else frames
    return frames < declared - max(2, TOLERANCE_SHARE * declared, hidden)


def ends_cleanly(path: Path, container_format: SourceFormat | MaterialFormat) -> bool:
    """Check whether the file's end is intact, for containers whose demuxers do not report it."""
    if container_format is SourceFormat.MPEG_TS:
        return _ends_on_packet(path)
    if container_format is SourceFormat.OGG:
        return _ends_with_last_page(path)
    if container_format is SourceFormat.ASF:
        return _has_declared_size(path)
    if container_format is SourceFormat.GIF:
        return _ends_with_trailer(path)
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


def _ends_with_trailer(path: Path) -> bool:
    """Check for the byte that ends a GIF (GIF89a, section 27); some programs pad the file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - HEAD_BYTES))
        return file.read().rstrip(_GIF_PADDING).endswith(_GIF_TRAILER)


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
