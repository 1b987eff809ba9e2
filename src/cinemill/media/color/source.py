"""The color space of a source: what it states, and a guess like a browser's at what it does not.

This is the only place that decides it, so that every output of a video starts from the same colors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cinemill.media.color.spaces import (
    BT709,
    HDR_TRANSFERS,
    LINEAR_TRANSFERS,
    SD_MATRICES,
    UNKNOWN,
    ColorSpace,
    read_stated,
)

if TYPE_CHECKING:
    from cinemill.core.media import VideoStream

HD_LINES = 720
HD_COLUMNS = 1280
"""From this size on, browsers and players take a video that states no colors for BT.709."""
_PAL_LINES = frozenset({288, 576})
_RGB = re.compile(r"0?(rgb|bgr|gbr|argb|abgr|x2rgb|x2bgr|pal8|bayer|xyz)|rgb4|bgr4")
_GRAY = ("gray", "ya8", "ya16", "mono")
_STILL_CODECS = frozenset({"mjpeg", "mjpegb", "png", "apng", "webp", "gif", "bmp", "tiff", "targa"})
"""Pictures of cameras and computers: BT.601 with sRGB's primaries, whatever their size."""
_ALWAYS_601 = frozenset({"vp8"})
"""Codecs that know no other matrix (RFC 6386, section 9.2), and whose decoders need not say so."""
_READABLE = frozenset({"bt709", "fcc", *SD_MATRICES, "smpte240m", "ycgco", "bt2020nc", "bt2020c"})
_READABLE |= {"chroma-derived-nc", "chroma-derived-c", "ictcp"}
"""Matrices that FFmpeg converts from; a stream that states another is read as if it stated none."""
_OF_CONSTANT_LUMINANCE = frozenset({"bt2020c", "chroma-derived-c"})
"""Matrices that are defined for the transfers of SDR only; ICtCp is for HDR in BT.2020 only."""
_MATRIX_OF = {
    "bt709": "bt709",
    "bt470bg": "bt470bg",
    "smpte170m": "smpte170m",
    "bt2020": "bt2020nc",
}
"""By the primaries, of a stream that states these only."""


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """What a color space is guessed from where it is not stated. Sizes are as stored."""

    codec: str
    pixel_format: str
    width: int
    height: int

    @property
    def is_rgb(self) -> bool:
        return _RGB.match(self.pixel_format) is not None

    @property
    def is_hd(self) -> bool:
        return self.width >= HD_COLUMNS or self.height >= HD_LINES


def find_color(video: VideoStream) -> ColorSpace:
    """Return the color space of a probed video or picture; nothing in it is unknown."""
    stated = ColorSpace(
        video.color_space, video.color_primaries, video.color_transfer, video.color_range
    )
    picture = StoredPicture(video.codec, video.pixel_format, video.width, video.height)
    return decide_color(stated, picture)


def find_frame_color(frame: Any, codec: Any) -> ColorSpace:
    """Return the color space of a decoded frame (PyAV's); nothing in it is unknown.

    ``codec`` is the context of its stream.
    """
    name = codec.codec.canonical_name
    picture = StoredPicture(name, frame.format.name, frame.width, frame.height)
    return decide_color(read_stated(frame, codec), picture)


def decide_color(stated: ColorSpace, picture: StoredPicture) -> ColorSpace:
    """Return what is stated, completed by what the rest of it, codec and size suggest."""
    if picture.is_rgb:
        return ColorSpace(
            "gbr",
            _known(stated.primaries) or BT709.primaries,
            _known(stated.transfer) or BT709.transfer,
            "pc",
        )
    matrix = stated.matrix if _is_readable(stated) else _guess_matrix(stated, picture)
    found = replace(stated, matrix=matrix, range=_find_range(stated, picture))
    return replace(
        found,
        primaries=_known(stated.primaries) or _guess_primaries(matrix, picture),
        transfer=_known(stated.transfer) or _guess_transfer(matrix, picture),
    )


def _is_readable(stated: ColorSpace) -> bool:
    """Check whether FFmpeg converts from the matrix, and the transfer does not contradict it."""
    if stated.matrix == "ictcp":
        is_wide = stated.primaries in ("bt2020", UNKNOWN)
        return is_wide and stated.transfer in HDR_TRANSFERS
    is_bent = stated.transfer not in HDR_TRANSFERS | LINEAR_TRANSFERS
    return stated.matrix in _READABLE and (is_bent or stated.matrix not in _OF_CONSTANT_LUMINANCE)


def _known(name: str) -> str:
    return "" if name == UNKNOWN else name


def _guess_matrix(stated: ColorSpace, picture: StoredPicture) -> str:
    if stated.transfer in HDR_TRANSFERS:
        return "bt2020nc"
    if matrix := _MATRIX_OF.get(stated.primaries):
        return matrix
    if picture.codec in _STILL_CODECS or picture.codec in _ALWAYS_601:
        return "bt470bg"
    return "bt709" if picture.is_hd else _name_sd(picture)


def _guess_primaries(matrix: str, picture: StoredPicture) -> str:
    if matrix in ("bt2020nc", "bt2020c", "ictcp"):
        return "bt2020"
    is_sd = matrix in SD_MATRICES and picture.codec not in _STILL_CODECS and not picture.is_hd
    return _name_sd(picture) if is_sd else BT709.primaries


def _guess_transfer(matrix: str, picture: StoredPicture) -> str:
    if matrix in ("bt2020nc", "bt2020c", "ictcp"):
        return "bt2020-10"
    is_sd = matrix in SD_MATRICES and picture.codec not in _STILL_CODECS and not picture.is_hd
    return "smpte170m" if is_sd else BT709.transfer


def _name_sd(picture: StoredPicture) -> str:
    """Return the name of BT.601's matrix and primaries with 625 or 525 lines."""
    return "bt470bg" if picture.height in _PAL_LINES else "smpte170m"


def _find_range(stated: ColorSpace, picture: StoredPicture) -> str:
    if picture.pixel_format.startswith("yuvj"):
        return "pc"
    if stated.range != UNKNOWN:
        return stated.range
    is_gray_still = picture.pixel_format.startswith(_GRAY) and picture.codec in _STILL_CODECS
    return "pc" if is_gray_still or picture.codec == "mjpeg" else "tv"
