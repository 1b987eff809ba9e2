"""Pictures of real faces: frames of the sample videos, and pictures that are made from them.

A plain module for every suite.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from tools.samples import fetch

from cinemill.core.frames import Frame

Pixels = NDArray[np.uint8]


MOST_FRAMES = 12


def read_frames(name: str, count: int) -> list[Frame]:
    """Return at most 12 frames of a sample, spread evenly over it."""
    frames = decode_frames(fetch(name))
    return [frames[number] for number in spread(len(frames), count)]


@cache
def decode_frames(path: Path) -> list[Frame]:
    """Return 12 frames of a video; they are decoded once."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    return [to_frame(frames[number]) for number in spread(len(frames), MOST_FRAMES)]


def to_frame(frame: av.VideoFrame) -> Frame:
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return Frame(frame.pts or 0, round(1000 * (frame.time or 0)), pixels)


def spread(length: int, count: int) -> list[int]:
    return [round(place) for place in np.linspace(0, length - 1, min(count, length))]


def read_pictures(name: str, count: int) -> list[Pixels]:
    return [frame.pixels for frame in read_frames(name, count)]


def blur(picture: Pixels, sigma: float) -> Pixels:
    """Return the picture as a lens out of focus shows it: a Gaussian of ``sigma`` pixels."""
    reach = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    values = picture.astype(np.float64)
    for axis in (0, 1):
        pad = [(reach, reach) if axis == at else (0, 0) for at in range(3)]
        padded = np.pad(values, pad, mode="edge")
        length = picture.shape[axis]
        values = sum(
            weight * np.take(padded, range(at, at + length), axis=axis)
            for at, weight in enumerate(weights)
        )
    return np.rint(values).astype(np.uint8)


def tile(picture: Pixels, rows: int, columns: int) -> Pixels:
    """Return a picture that shows this one many times."""
    return np.tile(picture, (rows, columns, 1))
