"""MP3 files joined of several, such as podcasts with advertisements, have tags in their middle.

FFmpeg hands such a tag to the decoder, which complains about it; every player skips it.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import replace
from pathlib import Path

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.probe.heads.sounds import count_tag_bytes

_TAG = re.compile(rb"ID3[\x02-\x04]\x00[\x00-\xff][\x00-\x7f]{4}|TAG|APETAGEX")
"""ID3v2 and ID3v1 (id3.org), and APEv2."""
_ID3V1_BYTES = 128
_TAG_HEAD_BYTES = 10
_ERRORS_OF_TAG = 2
"""A decoder's complaint and its sum count both."""
_BYTES_OF_ERROR = 1000
"""A tag with a picture is as long as many packets, and each of them may cause a complaint."""


def without_joints(
    tally: LogSummary, path: Path, container_format: SourceFormat | MaterialFormat
) -> LogSummary:
    """Return what a log shows of a file without the complaints about tags in its middle."""
    if container_format is not MaterialFormat.MP3 or not tally.decode_errors:
        return tally
    return replace(tally, decode_errors=max(0, tally.decode_errors - count_errors(path)))


def count_errors(path: Path) -> int:
    """Return how many complaints the tags in the middle of MPEG audio account for, at most."""
    if not path.stat().st_size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = count_tag_bytes(content[:_TAG_HEAD_BYTES])
        sizes = [_measure_tag(content, found.start()) for found in _TAG.finditer(content, start)]
    return sum(_ERRORS_OF_TAG * (1 + size // _BYTES_OF_ERROR) for size in sizes if size)


def _measure_tag(content: mmap.mmap, at: int) -> int:
    """Return the length of a tag that audio or another tag follows; 0 if it is none."""
    head = content[at : at + _TAG_HEAD_BYTES]
    size = count_tag_bytes(head) or (_ID3V1_BYTES if head.startswith(b"TAG") else len(b"APETAGEX"))
    if head.startswith(b"APE"):
        return size  # its head and its foot are alike, and the audio follows the latter
    after = content[at + size : at + size + 2]
    is_frame = len(after) == 2 and after[0] == 0xFF and after[1] & 0xE0 == 0xE0
    return size if is_frame or after in (b"ID", b"AP", b"TA") else 0
