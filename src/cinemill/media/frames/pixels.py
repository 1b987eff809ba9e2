"""Decoded frames as RGB arrays: upright, square pixels, one field of interlaced ones, SDR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from cinemill.core.sizes import NO_CROP, Crop
from cinemill.media.color.source import find_frame_color
from cinemill.media.color.spaces import ColorSpace
from cinemill.media.encoding.transparency import put_over_black
from cinemill.media.frames.tone import TO_709, to_709, to_sdr, unmix_ycgco
from cinemill.media.probe.metadata import reject
from cinemill.media.probe.streams import display_size, has_alpha, read_aspect

_SMALLER = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_LARGER = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_FIELD = "field=type=top"
"""The upper field as a frame of half the height: both together show two moments, and a filter that
joins them needs other frames."""
_SCALER_MATRICES = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.ITU601,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020nc": Colorspace.BT2020,
    "bt2020c": Colorspace.BT2020,
}
"""Of others, about the right colors come from that of BT.709."""
_SCALER_RANGES = {"tv": ColorRange.MPEG, "pc": ColorRange.JPEG}


@dataclass(frozen=True, slots=True)
class ExactSize:
    """Every frame gets this size, whatever its shape."""

    width: int
    height: int

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size for a frame that is displayed in the given one."""
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class SizeBound:
    """Frames keep their shape, are never enlarged, and at most this large."""

    max_width: int
    max_pixels: int

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size for a frame that is displayed in the given one."""
        scale = min(1.0, self.max_width / width, math.sqrt(self.max_pixels / (width * height)))
        fitted = max(1, min(round(width * scale), self.max_pixels))
        return fitted, max(1, min(round(height * scale), self.max_pixels // fitted))


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored frame becomes upright: first transposed, then mirrored along axes."""

    is_transposed: bool = False
    flips_rows: bool = False
    flips_columns: bool = False

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright array."""
        upright = pixels.transpose(1, 0, 2) if self.is_transposed else pixels
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in self._flips)
        return np.ascontiguousarray(upright[rows, columns])

    @property
    def _flips(self) -> tuple[bool, bool]:
        return self.flips_rows, self.flips_columns


_BY_ANGLE = {
    1: Orientation(True, flips_rows=True),
    2: Orientation(False, flips_rows=True, flips_columns=True),
    3: Orientation(True, flips_columns=True),
}
"""By the number of right angles that a frame is turned against the clock to be shown."""


def read_orientation(frame: Any) -> Orientation:
    """Return the frame's orientation after its display matrix, to the nearest right angle.

    The matrix maps a stored place (x, y) to (a·x + c·y, b·x + d·y); see FFmpeg's display.h.
    """
    try:
        side = frame.side_data.get(SideData.DISPLAYMATRIX)
    except ValueError:
        # PyAV knows no name for other data of the frame, such as a camera's notes (EXIF), and then
        # lists nothing. What is left is the angle, which does not say whether it is mirrored.
        return _BY_ANGLE.get(round(frame.rotation / 90) % 4, Orientation())
    if side is None:
        return Orientation()
    matrix = np.frombuffer(bytes(side), dtype=np.int32).astype(np.int64)
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, flips_rows=d < 0, flips_columns=a < 0)
    return Orientation(True, flips_rows=b < 0, flips_columns=c < 0)


class PixelConverter:
    """Converts frames of one stream, whose size may change in the middle."""

    def __init__(self, stream: Any, size: ExactSize | SizeBound, *, crop: Crop = NO_CROP) -> None:
        self._stream = stream
        self._crop = crop
        self._aspect = read_aspect(stream)
        self._size = size
        self._reformatter = VideoReformatter()
        self._graphs: dict[str, tuple[tuple[int, int, str], Graph]] = {}

    def convert(self, frame: Any) -> NDArray[np.uint8]:
        """Return height × width × 3: red, green, blue.

        Raises MediaRejected for a frame in a format that cannot be converted.
        """
        try:
            return self._convert(frame)
        except (FFmpegError, ValueError) as unknown:
            raise reject("media_damaged") from unknown

    def _convert(self, frame: Any) -> NDArray[np.uint8]:
        orientation = read_orientation(frame)
        frame = frame if self._crop == NO_CROP else self._cut_off(frame)
        rotation = 90 if orientation.is_transposed else 0
        shown = display_size(frame.width, frame.height, self._aspect, rotation)
        width, height = self._size.fit(*shown)
        if orientation.is_transposed:
            width, height = height, width
        color = find_frame_color(frame, self._stream.codec_context)
        if _has_two_fields(frame):
            frame = self._filter(frame, [_FIELD])
        if has_alpha(self._stream, frame):
            frame = self._filter(frame, put_over_black(frame.format.name))
        return orientation.apply(self._scale(frame, width, height, color))

    def _scale(self, frame: Any, width: int, height: int, color: ColorSpace) -> NDArray[np.uint8]:
        is_smaller = width * height < frame.width * frame.height
        is_wide = color.primaries in TO_709
        is_ycgco = color.matrix == "ycgco"
        matrix = _SCALER_MATRICES.get(color.matrix, Colorspace.ITU709)
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            "yuv444p" if is_ycgco else "rgb48le" if color.is_hdr or is_wide else "rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_SCALER_RANGES[color.range],
            dst_color_range=ColorRange.JPEG,
            interpolation=_SMALLER if is_smaller else _LARGER,
            threads=1,
        )
        pixels: NDArray[Any] = scaled.to_ndarray()
        if is_ycgco:
            return unmix_ycgco(pixels)
        if color.is_hdr:
            return to_sdr(pixels, color.transfer, color.primaries)
        return to_709(pixels, color.primaries) if is_wide else pixels

    def _cut_off(self, frame: Any) -> Any:
        """Return the part of the frame that its container shows."""
        width, height = self._crop.apply(frame.width, frame.height)
        return self._filter(frame, [f"crop={width}:{height}:{self._crop.left}:{self._crop.top}"])

    def _filter(self, frame: Any, filters: Sequence[str]) -> Any:
        """Return the frame that these filters make of one."""
        kind, name = (frame.width, frame.height, frame.format.name), ",".join(filters)
        known = self._graphs.get(name)
        if known is None or known[0] != kind:
            known = self._graphs[name] = kind, _make_graph(frame, filters)
        known[1].push(frame)
        return known[1].pull()


def _has_two_fields(frame: Any) -> bool:
    return bool(frame.interlaced_frame) and frame.height > 1


def _make_graph(frame: Any, filters: Sequence[str]) -> Graph:
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format.name,
        time_base=frame.time_base,
    )
    for one in filters:
        name, _, options = one.partition("=")
        following = graph.add(name, options or None)
        last.link_to(following)
        last = following
    last.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
