"""Frames as JPEG files."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.video.reformatter import ColorRange, Colorspace

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

_QUANTIZER = 3
"""FFmpeg's quantizer, 2 (best) to 31: no artifact of it can be seen."""


_COARSER_QUANTIZERS = (8, 16, 31)
"""For pictures of noise, which would else take megabytes."""


def encode_small_jpeg(pixels: Pixels, most_bytes: int) -> bytes:
    """Return the picture as a JPEG file of at most so many bytes, as good as they allow.

    Raises ValueError where the coarsest takes more.
    """
    for quantizer in (_QUANTIZER, *_COARSER_QUANTIZERS):
        found = encode_jpeg(pixels, quantizer=quantizer)
        if len(found) <= most_bytes:
            return found
    raise ValueError(f"the picture takes more than {most_bytes} bytes")


def encode_jpeg(pixels: Pixels, *, quantizer: int = _QUANTIZER) -> bytes:
    """Return the picture as a JPEG file, with colors at full resolution.

    ``quantizer`` is FFmpeg's, 2 (best) to 31.
    """
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuvj444p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.JPEG
    )
    frame.pts = 0
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = frame.width, frame.height
    codec.pix_fmt = "yuvj444p"
    codec.time_base = Fraction(1, 25)
    codec.qmin = codec.qmax = quantizer
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
