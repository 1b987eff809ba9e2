"""Decoded frames as RGB arrays: upright, square pixels, one field of interlaced ones, SDR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from cinemill.media.frames.tone import HLG, PQ, to_sdr
from cinemill.media.probe.metadata import reject
from cinemill.media.probe.streams import display_size

_SMALLER = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_LARGER = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_UNSPECIFIED = 2
_BT2020 = 9


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

    def __init__(self, stream: Any, size: ExactSize | SizeBound) -> None:
        self._aspect = stream.codec_context.sample_aspect_ratio
        self._size = size
        self._reformatter = VideoReformatter()
        self._field_graph: tuple[tuple[int, int, str], Graph] | None = None

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
        rotation = 90 if orientation.is_transposed else 0
        shown = display_size(frame.width, frame.height, self._aspect, rotation)
        width, height = self._size.fit(*shown)
        if orientation.is_transposed:
            width, height = height, width
        source = self._take_field(frame) if _has_two_fields(frame) else frame
        return orientation.apply(self._scale(source, width, height))

    def _scale(self, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
        is_smaller = width * height < frame.width * frame.height
        is_hdr = int(frame.color_trc) in (PQ, HLG)
        matrix = int(frame.colorspace)
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb48le" if is_hdr else "rgb24",
            src_colorspace=_BT2020 if is_hdr and matrix == _UNSPECIFIED else matrix,
            interpolation=_SMALLER if is_smaller else _LARGER,
            threads=1,
        )
        pixels: NDArray[Any] = scaled.to_ndarray()
        return to_sdr(pixels, int(frame.color_trc)) if is_hdr else pixels

    def _take_field(self, frame: Any) -> Any:
        """Return the upper field as a frame of half the height.

        Both fields together show two moments, and a filter that joins them needs other frames.
        """
        kind = (frame.width, frame.height, frame.format.name)
        if self._field_graph is None or self._field_graph[0] != kind:
            self._field_graph = kind, _field_graph(frame)
        graph = self._field_graph[1]
        graph.push(frame)
        return graph.pull()


def _has_two_fields(frame: Any) -> bool:
    return bool(frame.interlaced_frame) and frame.height > 1


def _field_graph(frame: Any) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format.name,
        time_base=frame.time_base,
    )
    field, sink = graph.add("field", "type=top"), graph.add("buffersink")
    source.link_to(field)
    field.link_to(sink)
    graph.configure()
    return graph
