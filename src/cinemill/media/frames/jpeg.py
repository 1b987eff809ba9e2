"""Frames as JPEG files."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

_QUANTIZER = 3
"""FFmpeg's quantizer, 2 (best) to 31: no artifact of it can be seen."""


def encode_jpeg(pixels: Pixels) -> bytes:
    """Return the picture as a JPEG file, with colors at full resolution."""
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuvj444p", dst_color_range="JPEG"
    )
    frame.pts = 0
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = frame.width, frame.height
    codec.pix_fmt = "yuvj444p"
    codec.time_base = Fraction(1, 25)
    codec.qmin = codec.qmax = _QUANTIZER
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
