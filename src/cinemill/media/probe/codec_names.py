"""Names of codecs as browsers ask for them (RFC 6381), such as ``avc1.640028``.

Made of the decoder configuration records in the file itself: ``avcC`` (ISO/IEC 14496-15, 5.3.3),
``hvcC`` (8.3.3) and ``av1C`` (AV1 in ISOBMFF, 2.3.3). Nothing in them is trusted.
"""

from __future__ import annotations

_HEVC_TAGS = frozenset({"hvc1", "hev1"})
_PLAIN = {"vp8": "vp8", "theora": "theora", "mpeg4": "mp4v.20.9"}
_VP9_LEVELS = ((2048, 41), (4096, 51))
"""By the longest side in pixels, as generous as decoders are."""


def name_video_codec(
    codec: str, extradata: bytes, *, tag: str, pixel_format: str, bit_depth: int, longest_side: int
) -> str:
    """Return the codec's name with its profile and level; empty where there is none.

    ``codec`` is FFmpeg's name, ``tag`` that of the track's sample entry.
    """
    if codec == "h264":
        return _name_h264(extradata)
    if codec == "hevc":
        return _name_hevc(extradata, tag if tag in _HEVC_TAGS else "hvc1")
    if codec == "av1":
        return _name_av1(extradata)
    if codec == "vp9":
        return _name_vp9(pixel_format, bit_depth, longest_side)
    return _PLAIN.get(codec, "")


def _name_h264(record: bytes) -> str:
    # Without such a record, as in transport streams, no browser plays the file itself.
    if len(record) < 4 or record[0] != 1:
        return ""
    return f"avc1.{record[1:4].hex()}"


def _name_hevc(record: bytes, tag: str) -> str:
    if len(record) < 13 or record[0] != 1:
        return ""
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    compatibility = int(f"{int.from_bytes(record[2:6]):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\x00")
    parts = [tag, f"{space}{record[1] & 0x1F}", f"{compatibility:x}", f"{tier}{record[12]}"]
    return ".".join([*parts, *(f"{byte:x}" for byte in constraints)])


def _name_av1(record: bytes) -> str:
    if len(record) < 3 or record[0] != 0x81:
        return ""
    profile, level = record[1] >> 5, record[1] & 0x1F
    tier = "H" if record[2] & 0x80 else "M"
    is_high, is_twelve = record[2] & 0x40, record[2] & 0x20
    depth = 12 if is_high and is_twelve else 10 if is_high else 8
    return f"av01.{profile}.{level:02}{tier}.{depth:02}"


def _name_vp9(pixel_format: str, bit_depth: int, longest_side: int) -> str:
    is_full_chroma = not pixel_format.startswith(("yuv420", "yuvj420", "yuva420"))
    profile = 2 * (bit_depth > 8) + is_full_chroma
    level = next((level for side, level in _VP9_LEVELS if longest_side <= side), 62)
    return f"vp09.{profile:02}.{level}.{bit_depth:02}"
