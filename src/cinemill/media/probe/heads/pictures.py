"""Still and animated pictures by their first bytes.

Signatures: PNG (ISO/IEC 15948) and APNG (W3C PNG, third edition), JPEG (ISO/IEC 10918), GIF89a,
WebP (RFC 9649), TIFF 6.0, BMP, ICO, PSD, HEIF (ISO/IEC 23008-12), AVIF (AOM), JPEG XL
(ISO/IEC 18181-2), JPEG 2000 (ISO/IEC 15444-1).
"""

from __future__ import annotations

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_BYTES = 12
_WEBP_ANIMATION = 0x02
"""A flag of a WebP's VP8X chunk; PyAV's FFmpeg skips the images of such a file."""
_STILL_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"), "HEIC"),
    b"avif": "AVIF",
    b"jxl ": "JPEG XL",
    b"jp2 ": "JPEG 2000",
    b"crx ": "CR3",
}
_ANIMATED_BRANDS = {
    b"avis": "AVIF",
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"), "HEIC"),
}
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"8BPS\x00", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)


def name_still(head: bytes) -> str:
    """Return the name of the kind of still picture that begins with ``head``; empty for others."""
    if head.startswith(PNG_SIGNATURE):
        return "" if is_animated_png(head) else "PNG"
    if _is_webp(head):
        return "" if name_unsupported_animation(head) else "WebP"
    if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        return "BMP"
    if head[4:8] == b"ftyp":
        return _STILL_BRANDS.get(head[8:12], "")
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def name_unsupported_animation(head: bytes) -> str:
    """Return the name of a kind of animated picture that cannot be read; empty for all else."""
    if _is_webp(head):
        is_animated = head[12:16] == b"VP8X" and head[20:21] and head[20] & _WEBP_ANIMATION
        return "WebP" if is_animated else ""
    return _ANIMATED_BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else ""


def is_gif(head: bytes) -> bool:
    """Check for a GIF; how many frames it has, only its packets say."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def is_animated_png(head: bytes) -> bool:
    """Check for a PNG with an animation control chunk, which comes before its picture."""
    if not head.startswith(PNG_SIGNATURE):
        return False
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(head):
        kind = head[at + 4 : at + 8]
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
        at += _PNG_CHUNK_BYTES + int.from_bytes(head[at : at + 4])
    return False


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"
