"""A picture of a sound: how loud it is, from left to right.

It is drawn of an audio file of ours, which is read in the worker, as other outputs are.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from cinemill.errors import OutputInvalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH_PX = 1200
HEIGHT_PX = 200
COLOR = (15, 148, 136, 255)
"""Legible on light and on dark pages; the rest of the picture is transparent."""
FULL_SCALE = 1 << 15
_LEAST_HALF_PX = 1
"""Silence is a line."""


def draw_waveform(sound: Path, samples: int, path: Path) -> None:
    """Draw the audio in a FLAC file of 16-bit mono as a PNG of 1200 × 200 pixels.

    ``samples`` is how many the file has; a shorter sound than a pixel each repeats them.
    Raises OutputInvalid for a file that cannot be read back.
    """
    try:
        peaks = read_peaks(sound, samples, WIDTH_PX)
    except (av.FFmpegError, IndexError, ValueError) as broken:
        raise OutputInvalid(f"{sound.name} cannot be read back: {broken}") from broken
    path.write_bytes(_encode_png(_draw(peaks)))


def read_peaks(sound: Path, samples: int, columns: int) -> NDArray[np.float64]:
    """Return the greatest level, 0 to 1, in each of so many equal parts of a FLAC file's audio."""
    # Imported here: it takes megabytes in each process, and only sound needs it.
    import numpy as np

    peaks = np.zeros(columns)
    at = 0
    with av.open(str(sound), format="flac") as container:
        for frame in container.decode(audio=0):
            levels = np.abs(frame.to_ndarray().reshape(-1).astype(np.float64)) / FULL_SCALE
            places = (at + np.arange(levels.size)) * columns // max(1, samples)
            np.maximum.at(peaks, np.minimum(places, columns - 1), levels)
            at += levels.size
    if 0 < at < columns:
        peaks = peaks[np.arange(columns) * at // columns * columns // max(1, samples)]
    return np.minimum(peaks, 1.0)


def _draw(peaks: NDArray[np.float64]) -> NDArray[np.uint8]:
    import numpy as np

    middle = HEIGHT_PX / 2
    halves = np.maximum(_LEAST_HALF_PX, peaks * middle)
    rows = np.abs(np.arange(HEIGHT_PX) + 0.5 - middle)
    picture = np.zeros((HEIGHT_PX, peaks.size, 4), dtype=np.uint8)
    picture[rows[:, None] < halves[None, :]] = COLOR
    return picture


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
    encoder: Any = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "rgba"
    encoder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
