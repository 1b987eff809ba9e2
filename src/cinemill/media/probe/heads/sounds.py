"""Formats of audio by their first bytes.

Signatures and frame sizes: MPEG audio (ISO/IEC 11172-3, 2.4.2.3; 13818-3), ADTS (ISO/IEC 13818-7,
6.2), AC-3 and E-AC-3 (ETSI TS 102 366, 4.3.1 and E.1.2), RIFF and RF64 (EBU Tech 3306), Wave64,
FLAC (RFC 9639), AIFF (Apple, 1989), CAF (Apple), AMR (RFC 4867), ID3v2 (id3.org, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinemill.core.media import MaterialFormat

_MAGIC: tuple[tuple[bytes, MaterialFormat], ...] = (
    (b"fLaC", MaterialFormat.FLAC),
    (b"caff\x00\x01", MaterialFormat.CAF),
    (b"#!AMR", MaterialFormat.AMR),
    (bytes.fromhex("726966662e91cf11a5d628db04c10000"), MaterialFormat.W64),
)
_RIFFS = frozenset({b"RIFF", b"RF64", b"BW64"})
_TAG = b"ID3"
_TAG_HEAD_BYTES = 10
# Kilobits a second by version (1 or 2) and layer.
_MPEG_KBPS: dict[tuple[int, int], tuple[int, ...]] = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_KBPS[2, 3] = _MPEG_KBPS[2, 2]
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}
"""By the bits of the version: 1, 2 and 2.5."""
_HEAD_BYTES = 4096
_MPEG_HZ = (44_100, 48_000, 32_000)
_DECODER_DELAY = 529
"""Samples by which every decoder of MPEG layer III is late."""
_AC3_KBPS = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
)
_LARGEST_AC3_ID = 10
_LARGEST_EAC3_ID = 16


def find_sound_format(head: bytes) -> MaterialFormat | None:
    """Return the format of the audio file that begins with ``head``; None if it is no audio.

    What follows a tag (ID3v2) is MPEG audio, unless it lies within ``head`` and says otherwise.
    """
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] in _RIFFS and head[8:12] == b"WAVE":
        return MaterialFormat.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return MaterialFormat.AIFF
    if head.startswith(_TAG):
        return find_tagged_format(head[count_tag_bytes(head) :])
    return _find_framed(head)


def count_tag_bytes(head: bytes) -> int:
    """Return how many bytes a tag (ID3v2) takes at the beginning of a file; 0 without one."""
    if not head.startswith(_TAG) or len(head) < _TAG_HEAD_BYTES:
        return 0
    sizes = head[6:_TAG_HEAD_BYTES]
    length = 0
    for seven_bits in sizes:
        length = length << 7 | seven_bits & 0x7F
    has_footer = head[5] & 0x10
    return length + _TAG_HEAD_BYTES * (2 if has_footer else 1)


def find_tagged_format(rest: bytes) -> MaterialFormat:
    """Return the format of audio that begins with ``rest`` after its tag."""
    if rest.startswith(b"fLaC"):
        return MaterialFormat.FLAC
    return _find_framed(rest) or MaterialFormat.MP3


@dataclass(frozen=True, slots=True)
class DeclaredSound:
    """What the header in the first frame of MPEG audio states."""

    seconds: float = 0.0
    """0 where nothing is stated."""
    hidden_seconds: float = 0.0
    """Of what the encoder added at both ends, which decoders cut off again."""


def read_declared_sound(path: Path) -> DeclaredSound:
    """Return how long MPEG audio is by the header in its first frame (Xing, Info).

    It is that of http://gabriel.mp3-tech.org/mp3infotag.html.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if tag_bytes := count_tag_bytes(head):
            file.seek(tag_bytes)
            head = file.read(_HEAD_BYTES)
    found, frame_bytes = _read_frame(head)
    if found is not MaterialFormat.MP3:
        return DeclaredSound()
    frame = head[:frame_bytes]
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 12:
        return DeclaredSound()
    version_bits, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    samples = 384 if layer == 1 else 576 if version_bits != 3 and layer == 3 else 1152
    sample_hz = _MPEG_HZ[head[2] >> 2 & 3] // _RATE_DIVISORS[version_bits]
    frames = int.from_bytes(frame[at + 8 : at + 12]) if frame[at + 7] & 1 else 0
    return DeclaredSound(frames * samples / sample_hz, _count_hidden(frame, at) / sample_hz)


def _count_hidden(frame: bytes, at: int) -> int:
    """Return the samples at both ends that FFmpeg cuts off, by the tag that begins at ``at``."""
    flags = frame[at + 7]
    fields = sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    encoder = at + 8 + fields
    delays = frame[encoder + 21 : encoder + 24]
    if frame[encoder : encoder + 4] not in (b"LAME", b"Lavf", b"Lavc") or len(delays) < 3:
        return 0
    added, padding = int.from_bytes(delays) >> 12, int.from_bytes(delays) & 0xFFF
    return added + _DECODER_DELAY + max(0, padding - _DECODER_DELAY)


def _find_framed(head: bytes) -> MaterialFormat | None:
    """Return the format of audio without a header: two frames follow each other."""
    found, frame_bytes = _read_frame(head)
    if found is None:
        return None
    following, _ = _read_frame(head[frame_bytes:])
    # The next frame may begin after what is known of the file.
    reaches_end = frame_bytes >= _HEAD_BYTES - 8
    return found if reaches_end or following is found else None


def find_late_frames(head: bytes) -> MaterialFormat | None:
    """Return the format of MPEG audio or ADTS whose first bytes are no frame; None if it is none.

    Recorded streams begin within a frame, and some files with padding. Two frames that are coded
    alike must follow each other; one mark alone is found in any file.
    """
    at = head.find(b"\xff", 1)
    while at >= 0:
        found, frame_bytes = _read_frame(head[at : at + 8])
        after = head[at + frame_bytes :]
        if found is not None and _read_frame(after)[0] is found and _is_alike(head[at:], after):
            return found
        at = head.find(b"\xff", at + 1)
    return None


def _is_alike(frame: bytes, other: bytes) -> bool:
    """Check whether two headers state the same version, layer and sample rate."""
    mask = 0x3C if frame[1] & 0xF6 == 0xF0 else 0x0C
    return frame[:2] == other[:2] and frame[2] & mask == other[2] & mask


def _read_frame(head: bytes) -> tuple[MaterialFormat | None, int]:
    """Return the format of a frame and its length in bytes; None and 0 if it is none."""
    if len(head) < 8:
        return None, 0
    if head[:2] == b"\x0b\x77":
        return _read_ac3_frame(head)
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None, 0
    if head[1] & 0xF6 == 0xF0:
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return (MaterialFormat.AAC, length) if length > 7 else (None, 0)
    length = _count_mpeg_bytes(head)
    return (MaterialFormat.MP3, length) if length else (None, 0)


def _count_mpeg_bytes(head: bytes) -> int:
    """Return the length of a frame of MPEG audio; 0 if it cannot be one."""
    version_bits, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, hertz = head[2] >> 4, head[2] >> 2 & 3
    if version_bits == 1 or layer == 4 or rate in (0, 15) or hertz == 3:
        return 0
    version = 1 if version_bits == 3 else 2
    bps = 1000 * _MPEG_KBPS[version, layer][rate - 1]
    sample_hz = _MPEG_HZ[hertz] // _RATE_DIVISORS[version_bits]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bps // sample_hz + padding) * 4
    eighths = 72 if version == 2 and layer == 3 else 144
    return eighths * bps // sample_hz + padding


def _read_ac3_frame(head: bytes) -> tuple[MaterialFormat | None, int]:
    version = head[5] >> 3
    if version > _LARGEST_EAC3_ID:
        return None, 0
    if version > _LARGEST_AC3_ID:
        words = (head[2] & 7) << 8 | head[3]
        return MaterialFormat.EAC3, 2 * (words + 1)
    hertz, size = head[4] >> 6, head[4] & 0x3F
    if hertz == 3 or size >= 2 * len(_AC3_KBPS):
        return None, 0
    kbps = _AC3_KBPS[size >> 1]
    # Of 1536 samples at 48, 44.1 or 32 kHz, in words of 16 bits.
    words = (kbps * 2, kbps * 320 // 147 + (size & 1), kbps * 3)[hertz]
    return MaterialFormat.AC3, 2 * words
