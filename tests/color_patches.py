"""Videos whose left half is one color and whose right half another, and how a player shows them.

A plain module for every suite. Nothing here asks Cinemill what a color is: videos are made by
FFmpeg's filters, and read back by the formulas of the standards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from tests import films

LEFT, RIGHT = (200, 30, 30), (30, 200, 30)
"""As a display of sRGB's colors shows them."""
RATE = 10
SD, HD = (160, 90), (1280, 720)
_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Shares of red and blue, by the number of the matrix (ITU-T H.273)."""
_TO_709 = {
    9: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}
"""By the number of the primaries: those of BT.2020, on linear light."""
_UNSPECIFIED = 2
_FULL = 2

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is shown, and what it states."""

    left: Rgb
    right: Rgb
    is_stated: bool
    """Whether matrix, primaries, transfer and range are."""
    tags: tuple[int, int, int, int]
    """Matrix, primaries, transfer and range, by their numbers."""

    @property
    def distance(self) -> int:
        """Return the largest difference from the patches in any channel."""
        pairs = [*zip(self.left, LEFT, strict=True), *zip(self.right, RIGHT, strict=True)]
        return max(abs(one - other) for one, other in pairs)


def make_patches(
    path: Path,
    *,
    convert: str,
    codec: Sequence[str],
    size: tuple[int, int] = SD,
    tags: str = "",
    seconds: float = 0.5,
) -> Path:
    """Make the video: ``convert`` leads from RGB to the codec's format, ``tags`` are stated.

    They are matrix, primaries, transfer and range, separated by blanks; empty states none.
    """
    half = f"s={size[0] // 2}x{size[1]}:r={RATE}:d={seconds},format=gbrp"
    matrix, primaries, transfer, span = (tags or "unknown unknown unknown unknown").split()
    names = f"colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={span}"
    graph = (
        f"color=0xC81E1E:{half}[l];color=0x1EC81E:{half}[r];"
        f"[l][r]hstack,setparams=range=pc,{convert},setparams={names}[made]"
    )
    films.run(["-filter_complex", graph, "-map", "[made]", *codec, f"file:{path}"])
    return path


def to_yuv(matrix: str, span: str = "tv", pixels: str = "yuv444p") -> str:
    """Return the filters from RGB to this matrix and range."""
    exact = "flags=accurate_rnd+full_chroma_int+full_chroma_inp"
    return f"scale={exact}:out_color_matrix={matrix}:out_range={span},format={pixels}"


def look_at_jpeg(path: Path) -> Look:
    """Return what a viewer of JFIF files shows: always the matrix of BT.601, in full range."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return look_at_pixels(pixels)


def look_at_pixels(pixels: Any) -> Look:
    """Return the look of RGB, height × width × 3."""
    left, right = (_mean(pixels, share) for share in (0.25, 0.75))
    return Look(_round(left), _round(right), is_stated=True, tags=(0, 1, 13, _FULL))


def look_at_video(path: Path) -> Look:
    """Return what a player shows of the middle frame, by what it states, or as browsers guess."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    frame = frames[len(frames) // 2]
    matrix, primaries = int(frame.colorspace), int(frame.color_primaries)
    transfer, span = int(frame.color_trc), int(frame.color_range)
    left, right = (_show(frame, share) for share in (0.25, 0.75))
    is_stated = _UNSPECIFIED not in (matrix, primaries, transfer) and span != 0
    return Look(_round(left), _round(right), is_stated, (matrix, primaries, transfer, span))


def _show(frame: Any, share: float) -> Any:
    bits = frame.format.components[0].bits
    y, u, v = (float(_mean(plane, share)) / 2 ** (bits - 8) for plane in _planes(frame, bits))
    is_full = int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj")
    matrix = int(frame.colorspace)
    if matrix == _UNSPECIFIED:
        matrix = 1 if frame.height >= HD[1] else 5
    red, blue = _LUMA[matrix]
    luma = y / 255 if is_full else (y - 16) / 219
    chroma = 255 if is_full else 224
    cb, cr = (u - 128) / chroma, (v - 128) / chroma
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    shown = np.array([r, g, b])
    wide = _TO_709.get(int(frame.color_primaries))
    if wide is not None:
        light = np.clip(shown, 0, 1) ** 2.4
        shown = np.clip(np.array(wide) @ light, 0, 1) ** (1 / 2.4)
    return shown * 255


def _planes(frame: Any, bits: int) -> list[Any]:
    kind, bytes_each = (np.uint8, 1) if bits == 8 else (np.dtype("<u2"), 2)
    return [
        np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // bytes_each)[
            :, : plane.width
        ]
        for plane in frame.planes
    ]


def _mean(pixels: Any, share: float) -> Any:
    """Return the mean around the middle of the height, and this share of the width."""
    rows, columns = pixels.shape[:2]
    row, column = rows // 2, int(columns * share)
    around = max(1, columns // 16)
    area = pixels[row - 1 : row + 2, column - around : column + around]
    return area.astype(float).mean(axis=(0, 1))


def _round(values: Any) -> Rgb:
    red, green, blue = (round(float(value)) for value in np.clip(values, 0, 255))
    return red, green, blue


_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4")
_NAMES = {"601": "smpte170m smpte170m smpte170m", "709": "bt709 bt709 bt709"}
_NAMES |= {"2020": "bt2020nc bt2020 bt2020-10"}


def _x264(path: Path, matrix: str, span: str = "tv", **more: Any) -> Path:
    pixels = more.pop("pixels", "yuvj420p" if span == "pc" else "yuv420p")
    tags = more.pop("tags", f"{_NAMES[matrix]} {span}")
    convert = to_yuv({"601": "bt601", "709": "bt709"}[matrix], span, pixels)
    return make_patches(path, convert=convert, codec=_X264, tags=tags, **more)


def _bt2020(path: Path) -> Path:
    """Really converted: the same colors are other numbers with its primaries."""
    light = "zscale=pin=bt709:tin=bt709:min=gbr:rin=pc:p=bt2020:t=bt709:m=bt2020nc:r=tv"
    convert = f"format=gbrp10le,{light},format=yuv420p10le"
    return make_patches(path, convert=convert, codec=_X264, tags=f"{_NAMES['2020']} tv")


def _ycgco(path: Path) -> Path:
    convert = "zscale=min=gbr:rin=pc:m=ycgco:r=tv,format=yuv444p"
    return make_patches(path, convert=convert, codec=_X264, tags="ycgco bt709 bt709 tv")


def _prores(path: Path) -> Path:
    codec = ("-c:v", "prores_ks", "-profile:v", "3")
    convert = to_yuv("bt709", pixels="yuv422p10le")
    return make_patches(path, convert=convert, codec=codec, tags=f"{_NAMES['709']} tv")


def _rgb(path: Path, *codec: str, pixels: str) -> Path:
    return make_patches(path, convert=f"format={pixels}", codec=("-c:v", *codec))


def _stated_by_container_only(path: Path, stated: str, coded: str = "") -> Path:
    """Write samples of BT.709 whose bitstream states ``coded`` numbers, and whose MP4 others."""
    bare = _x264(path.with_suffix(".h264"), "709", tags="")
    bits = f"h264_metadata={coded}" if coded else "null"
    films.run(
        [
            *("-r", str(RATE), "-i", f"file:{bare}", "-c", "copy", "-bsf:v", bits),
            *("-color_primaries", stated, "-color_trc", stated, "-colorspace", stated),
            *("-color_range", "tv", "-movflags", "+write_colr", f"file:{path}"),
        ]
    )
    bare.unlink()
    return path


def _clear_vp8(path: Path) -> Path:
    """Write a VP8 of HD with transparency: it is in BT.601, as all are (RFC 6386, 9.2)."""
    convert = to_yuv("bt601", pixels="yuva420p")
    return make_patches(path, convert=convert, codec=_clear("libvpx"), size=HD, seconds=0.3)


def _clear_vp9(path: Path) -> Path:
    """Write a small VP9 of BT.709 with transparency; only its WebM states the colors."""
    bare = path.with_name(f"bare-{path.name}")
    make_patches(bare, convert=to_yuv("bt709", pixels="yuva420p"), codec=_clear("libvpx-vp9"))
    stated = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
    return films.remux(bare, path, *stated)


def _clear(encoder: str) -> tuple[str, ...]:
    """Return the arguments for a codec whose transparency is a picture of its own."""
    return ("-c:v", encoder, "-auto-alt-ref", "0", "-qmin", "0", "-qmax", "2", "-b:v", "9M")


_SAYS_709 = "colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"

SOURCES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "BT.601": ("601.mp4", lambda path: _x264(path, "601")),
    "BT.709": ("709.mp4", lambda path: _x264(path, "709")),
    "BT.2020, 10 bits": ("2020.mp4", _bt2020),
    "untagged SD": ("sd.mp4", lambda path: _x264(path, "601", tags="")),
    "untagged HD": ("hd.mp4", lambda path: _x264(path, "709", tags="", size=HD, seconds=0.3)),
    "RGB, H.264": ("rgb.mp4", lambda path: _rgb(path, "libx264rgb", "-qp", "0", pixels="rgb24")),
    "RGB, PNG in MOV": ("png.mov", lambda path: _rgb(path, "png", pixels="rgb24")),
    "RGB, FFV1, 10 bits": ("gbrp.mkv", lambda path: _rgb(path, "ffv1", pixels="gbrp10le")),
    "full range": ("full.mp4", lambda path: _x264(path, "709", "pc")),
    "full range, 10 bits": (
        "full10.mp4",
        lambda path: _x264(path, "709", "pc", pixels="yuv420p10le"),
    ),
    "full range of BT.601": ("full601.mp4", lambda path: _x264(path, "601", "pc")),
    "limited, 4:2:2, 10 bits": ("prores.mov", _prores),
    "stated by the container only": (
        "container.mp4",
        lambda path: _stated_by_container_only(path, "bt709"),
    ),
    "container and codec disagree": (
        "disagree.mp4",
        lambda path: _stated_by_container_only(path, "smpte170m", _SAYS_709),
    ),
    "YCgCo": ("ycgco.mp4", _ycgco),
    "VP8 with alpha, HD": ("alpha8.webm", _clear_vp8),
    "VP9 with alpha, stated by the container only": ("alpha9.webm", _clear_vp9),
}
"""By the name of the kind: the file's name, and what makes it."""


def make_source(name: str, folder: Path) -> Path:
    """Make the video of this kind in the folder, unless it is there."""
    filename, make = SOURCES[name]
    path = folder / filename
    return path if path.exists() else make(path)
