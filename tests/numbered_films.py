"""Videos whose every frame shows its own number as a bar code, so that a test can read it back.

A plain module for every suite. The upper half holds twelve blocks, black or white, the lowest bit
first; the lower half moves, so that frames depend on each other as they do in real videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests import films

BITS = 12
BLOCK_PIXELS = 16
SIZE = (BITS * BLOCK_PIXELS, 64)
RATE = 25
_BARS = f"if(mod(floor(N/pow(2,floor(X/{BLOCK_PIXELS}))),2),235,16)"
_MOTION = "20+mod(X*3+Y*5+N*7,200)"
_DRAW = f"geq=lum='if(lt(Y,{SIZE[1] // 2}),{_BARS},{_MOTION})':cb=128:cr='100+mod(N,50)'"

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "12")
H264_B = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "25", "-b_strategy", "0")
H264_OPEN = (*H264_B, "-x264-params", "open-gop=1:bframes=3:keyint=12:min-keyint=12:scenecut=0")
H264_REFRESH = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-x264-params",
    "intra-refresh=1:keyint=15",
)
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=15")
HEVC_OPEN = (
    *("-c:v", "libx265", "-preset", "veryfast"),
    *("-x265-params", "log-level=none:open-gop=1:bframes=4:keyint=12:min-keyint=12:scenecut=0"),
)
MPEG2_B = ("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3")
MPEG4_B = ("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-q:v", "3")
MPEG4 = ("-c:v", "mpeg4", "-g", "12", "-q:v", "3")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "12")
VP9 = (
    *("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "8", "-g", "12"),
    *("-auto-alt-ref", "1", "-lag-in-frames", "10", "-b:v", "500k"),
)
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "12", "-svtav1-params", "fast-decode=1")
FLV1 = ("-c:v", "flv", "-g", "12", "-q:v", "3")
WMV2 = ("-c:v", "wmv2", "-g", "12", "-q:v", "3")
MJPEG = ("-c:v", "mjpeg", "-q:v", "3")
VARIABLE = "select='not(eq(mod(n\\,7)\\,3)+eq(mod(n\\,5)\\,1))'"
"""Drops frames irregularly; :func:`variable_numbers` lists those that stay."""


def variable_numbers(count: int) -> list[int]:
    """Numbers of the frames that :data:`VARIABLE` keeps."""
    return [n for n in range(count) if n % 7 != 3 and n % 5 != 1]


def make_numbered(
    path: Path,
    codec: Sequence[str],
    *,
    frames: int = 75,
    filters: str = "null",
    extra: Sequence[str] = (),
) -> Path:
    """Create a video of so many numbered frames; ``filters`` come after the drawing."""
    source = f"color=gray:size={SIZE[0]}x{SIZE[1]}:rate={RATE}:duration={frames / RATE},{_DRAW}"
    inputs = ["-f", "lavfi", "-i", f"{source},format=yuv420p", "-vf", filters]
    films.run([*inputs, "-fps_mode", "passthrough", *codec, *extra, f"file:{path}"])
    return path


def read_number(pixels: NDArray[np.uint8]) -> int:
    """Return the number that a frame shows, at any size."""
    height, width = pixels.shape[:2]
    row = pixels[height // 8 : height * 3 // 8].mean(axis=(0, 2))
    middles = [int((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(middles) if row[x] > 128)
