"""The format of a file by its first bytes: guessing by FFmpeg can be exploited.

Signatures of containers: ISO/IEC 14496-12 (boxes), RFC 8794 and 9559 (EBML, Matroska), RFC 3533
(Ogg), ISO/IEC 13818-1 (program and transport streams), SMPTE ST 377-1 (MXF), and the published AVI,
FLV and ASF specifications. Audio is told by ``heads.sounds``, pictures by ``heads.pictures``.
"""

from __future__ import annotations

import re
from pathlib import Path

from cinemill.core.media import STILLS, MaterialFormat, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.probe.head_hints import find_hint
from cinemill.media.probe.heads.pictures import (
    is_animated_png,
    is_gif,
    name_still,
    name_unsupported_animation,
)
from cinemill.media.probe.heads.sounds import (
    count_tag_bytes,
    find_late_frames,
    find_sound_format,
    find_tagged_format,
)
from cinemill.media.rejections import OVERLAY_HINT, reject_media

HEAD_BYTES = 4096
"""How much of a file :func:`sniff` needs."""

_BOX_TYPES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
_MAGIC: tuple[tuple[bytes, SourceFormat], ...] = (
    (b"\x1a\x45\xdf\xa3", SourceFormat.MATROSKA),
    (b"FLV\x01", SourceFormat.FLV),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), SourceFormat.ASF),
    (b"OggS\x00", SourceFormat.OGG),
    (bytes.fromhex("060e2b34020501010d0102010102"), SourceFormat.MXF),
    (b"\x00\x00\x01\xba", SourceFormat.MPEG_PS),
)
_STILL_FORMATS = {
    "PNG": MaterialFormat.PNG,
    "JPEG": MaterialFormat.JPEG,
    "WebP": MaterialFormat.WEBP,
}
"""Those that can be laid over a video."""
_PLAYLIST_STARTS = (
    b"#extm3u",
    b"ffconcat",
    b"[playlist]",
    b"[reference]",
    *(b"<mpd", b"<smil", b"<asx", b"<smoothstreamingmedia", b"<playlist"),
    b"rtsptext",
    b"v=0",
    b"http://",
    b"https://",
)
_LISTED_FILE = re.compile(rb"file\s+(?:['\"]|\S+\.\w{2,5}\s*(?:\n|$))")
"""A line of a list for FFmpeg that lacks its first one, ``ffconcat version 1.0``."""
_PROLOG = re.compile(
    rb"(?:\s|<\?.*?\?>|<!--.*?-->|<!doctype[^>\[]*(?:\[.*?\])?[^>]*>)*+", re.DOTALL
)
"""What may come before the first element of XML (W3C XML 1.0, 2.8)."""
_TS_PACKET_BYTES = (188, 192, 204)
_TS_SYNC = 0x47
_TS_PACKETS_WANTED = 4


def sniff(head: bytes) -> SourceFormat | MaterialFormat:
    """Return the format of the video or audio that begins with ``head``, its :data:`HEAD_BYTES`.

    Raises MediaRejected: ``media_empty``, ``media_still``, ``media_animated``, ``media_playlist``
    or ``media_unrecognized``.
    """
    if still := name_still(head):
        raise _reject_still(still)
    return _sniff_moving(head)


def sniff_material(head: bytes) -> SourceFormat | MaterialFormat:
    """Return the format of an overlay source: a still, else as :func:`sniff` does.

    Raises MediaRejected, as :func:`sniff` does.
    """
    still = name_still(head)
    if still in _STILL_FORMATS:
        return _STILL_FORMATS[still]
    if still:
        raise _reject_still(still, OVERLAY_HINT)
    return sniff(head)


def sniff_file(path: Path) -> SourceFormat | MaterialFormat:
    """Return the format of the video or audio at ``path``. Raises as :func:`sniff` does."""
    with path.open("rb") as file:
        found = sniff(head := file.read(HEAD_BYTES))
        if tag_bytes := count_tag_bytes(head):
            # A tag with a picture is longer than what is known of the file.
            file.seek(tag_bytes)
            return find_tagged_format(file.read(HEAD_BYTES))
    return found


def sniff_material_file(path: Path) -> SourceFormat | MaterialFormat:
    """Return the format of the overlay source at ``path``. Raises as :func:`sniff` does."""
    with path.open("rb") as material:
        found = sniff_material(material.read(HEAD_BYTES))
    return found if found in STILLS else sniff_file(path)


def _sniff_moving(head: bytes) -> SourceFormat | MaterialFormat:
    if not head:
        raise reject_media("media_empty")
    if animation := name_unsupported_animation(head):
        raise reject_media(
            "media_animated",
            message=f"The file is an animated {animation}, which is not supported.",
        )
    found = _find_container(head) or find_sound_format(head)
    if found is not None:
        return found
    if _strip_prolog(head).startswith(b"<svg"):
        raise _reject_still("SVG")
    if _is_playlist(head):
        raise reject_media("media_playlist")
    hint = find_hint(head)
    if not hint and (late := find_late_frames(head)):
        return late
    raise reject_media("media_unrecognized", hint=hint)


def _find_container(head: bytes) -> SourceFormat | None:
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return SourceFormat.AVI
    if is_gif(head):
        return SourceFormat.GIF
    if is_animated_png(head):
        return SourceFormat.APNG
    if head[4:8] in _BOX_TYPES:
        return SourceFormat.MP4
    return SourceFormat.MPEG_TS if _is_transport_stream(head) else None


def _reject_still(name: str, hint: str = "") -> MediaRejected:
    message = f"The file is a picture ({name}), not a video."
    return reject_media("media_still", message=message, hint=hint)


def find_packet_bytes(head: bytes) -> tuple[int, int] | None:
    """Return the packet size of a transport stream and the offset of the first packet, or None."""
    for size in _TS_PACKET_BYTES:
        for start in (0, 4):
            marks = head[start : start + size * _TS_PACKETS_WANTED : size]
            if marks and start + size <= len(head) and set(marks) == {_TS_SYNC}:
                return size, start
    return None


def _is_transport_stream(head: bytes) -> bool:
    return find_packet_bytes(head) is not None


def _is_playlist(head: bytes) -> bool:
    text = _strip_prolog(head)
    return text.startswith(_PLAYLIST_STARTS) or _LISTED_FILE.match(text) is not None


def _strip_prolog(head: bytes) -> bytes:
    """Return text from its first element on, in lower case."""
    text = head.removeprefix(b"\xef\xbb\xbf").lower()
    found = _PROLOG.match(text)
    return text[found.end() :] if found else text
