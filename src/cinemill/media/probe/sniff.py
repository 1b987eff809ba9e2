"""The format of a file by its first bytes: guessing by FFmpeg can be exploited.

Signatures: PNG (ISO/IEC 15948), JPEG (ISO/IEC 10918), MPEG audio (ISO/IEC 11172-3, 13818-7), RIFF,
FLAC (RFC 9639), ISO/IEC 14496-12 (boxes), RFC 8794 and 9559 (EBML, Matroska), RFC 3533 (Ogg),
ISO/IEC 13818-1 (program and transport streams), SMPTE ST 377-1 (MXF), and the published AVI, FLV
and ASF specifications.
"""

from __future__ import annotations

from cinemill.core.media import REJECTION_CODES, MaterialFormat, SourceFormat
from cinemill.errors import MediaRejected

HEAD_BYTES = 4096
"""How much of a file :func:`sniff` needs."""

_BOX_TYPES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
_STILL_BRANDS = frozenset({b"heic", b"heix", b"mif1", b"avif", b"jxl ", b"jp2 ", b"crx "})
_MAGIC: tuple[tuple[bytes, SourceFormat], ...] = (
    (b"\x1a\x45\xdf\xa3", SourceFormat.MATROSKA),
    (b"FLV\x01", SourceFormat.FLV),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), SourceFormat.ASF),
    (b"OggS\x00", SourceFormat.OGG),
    (bytes.fromhex("060e2b34020501010d0102010102"), SourceFormat.MXF),
    (b"\x00\x00\x01\xba", SourceFormat.MPEG_PS),
)
_MATERIAL_MAGIC: tuple[tuple[bytes, MaterialFormat], ...] = (
    (b"\x89PNG\r\n\x1a\n", MaterialFormat.PNG),
    (b"\xff\xd8\xff", MaterialFormat.JPEG),
    (b"fLaC", MaterialFormat.FLAC),
    (b"ID3", MaterialFormat.MP3),
)
_RIFF_KINDS = {b"WEBP": MaterialFormat.WEBP, b"WAVE": MaterialFormat.WAV}
_WEBP_ANIMATION = 0x02
"""A flag of a WebP's VP8X chunk (RFC 9649); FFmpeg skips the images of such a file."""
_PLAYLIST_STARTS = (
    b"#extm3u",
    b"ffconcat",
    b"file ",
    b"[playlist]",
    b"[reference]",
    b"<?xml",
    b"<mpd",
    b"<smil",
    b"<asx",
    b"<smoothstreamingmedia",
    b"rtsptext",
    b"v=0",
    b"http://",
    b"https://",
)
_TS_PACKET_BYTES = (188, 192, 204)
_TS_SYNC = 0x47
_TS_PACKETS_WANTED = 4


def sniff(head: bytes) -> SourceFormat:
    """Return the container that ``head``, the first :data:`HEAD_BYTES` of a file, belongs to.

    Raises MediaRejected: ``media_empty``, ``media_playlist`` or ``media_unrecognized``.
    """
    if not head:
        raise _reject("media_empty")
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return SourceFormat.AVI
    if _is_box(head):
        return SourceFormat.MP4
    if _is_transport_stream(head):
        return SourceFormat.MPEG_TS
    raise _reject("media_playlist" if _is_playlist(head) else "media_unrecognized")


def sniff_material(head: bytes) -> SourceFormat | MaterialFormat:
    """Return the format of an overlay source: a still or an audio file, else a video's container.

    Raises MediaRejected, as :func:`sniff` does, and ``media_animated``.
    """
    for magic, material in _MATERIAL_MAGIC:
        if head.startswith(magic):
            return material
    if head[:4] == b"RIFF" and head[8:12] in _RIFF_KINDS:
        if head[12:16] == b"VP8X" and head[20:21] and head[20] & _WEBP_ANIMATION:
            raise _reject("media_animated")
        return _RIFF_KINDS[head[8:12]]
    # Eleven set bits begin an MPEG audio frame; the reserved layer marks ADTS.
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0:
        return MaterialFormat.AAC if head[1] & 0xF6 == 0xF0 else MaterialFormat.MP3
    return sniff(head)


def find_packet_bytes(head: bytes) -> tuple[int, int] | None:
    """Return the packet size of a transport stream and the offset of the first packet, or None."""
    for size in _TS_PACKET_BYTES:
        for start in (0, 4):
            marks = head[start : start + size * _TS_PACKETS_WANTED : size]
            if marks and start + size <= len(head) and set(marks) == {_TS_SYNC}:
                return size, start
    return None


def _is_box(head: bytes) -> bool:
    if head[4:8] not in _BOX_TYPES:
        return False
    return not (head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS)


def _is_transport_stream(head: bytes) -> bool:
    return find_packet_bytes(head) is not None


def _is_playlist(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(_PLAYLIST_STARTS)


def _reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)
