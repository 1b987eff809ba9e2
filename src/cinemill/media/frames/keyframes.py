"""Key frames: sharp frames that show what a video shows, none of them twice.

A few frames of each shot are read at a small size. The sharpest of a shot is chosen, and any other
that differs from it. Two pictures are alike if their perceptual hashes and their mean colors are:
the hash is of brightness only, and flat pictures of different colors have none that says anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.core.frames import Frame, Shot
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.sampling import choose_frames

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

CANDIDATES_PER_SHOT = 3
CANDIDATE_MS = 5000
"""A long shot has a candidate for each so many milliseconds."""
MOST_CANDIDATES = 1500
"""Of any video: twelve hours have one each half minute. Reading one costs the decoding of at most
one group of pictures."""
MOST_KEYFRAMES = 500
ALIKE_BITS = 10
"""Pictures whose hashes differ in no more of 64 bits may be alike."""
ALIKE_LEVELS = 20.0
"""Pictures whose mean colors differ by no more levels, of 255, in any channel may be alike."""
FLAT_SPREAD = 4.0
"""Standard deviation of brightness below which a picture has no detail to hash."""
_HASH_SIDE = 8
_SMALL_SIDE = 32
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FrameLook:
    """What is kept of a candidate: a few numbers."""

    pts: int
    time_ms: int
    sharpness: float
    """Variance of the Laplacian of brightness: comparable within a shot only."""
    hash: int
    """64 bits; 0 for a flat picture."""
    color: tuple[float, float, float]
    """Mean red, green and blue, 0 to 255."""


def choose_candidates(index: FrameIndex, shots: Sequence[Shot]) -> list[int]:
    """Return the timestamps of frames to look at, in order: some of each shot, far from its ends.

    At most ``MOST_CANDIDATES``, however long the video is, and however many shots it has.
    """
    count = sum(
        max(CANDIDATES_PER_SHOT, (shot.end_ms - shot.start_ms) // CANDIDATE_MS) for shot in shots
    )
    return choose_frames(index, shots, max(1, min(count, MOST_CANDIDATES)))


def look_at_frames(frames: Iterable[Frame]) -> Iterator[FrameLook]:
    """Yield what is kept of each frame. Holds one at a time."""
    for frame in frames:
        luma: _Floats = frame.pixels @ _LUMA
        yield FrameLook(
            frame.pts,
            frame.time_ms,
            measure_sharpness(luma),
            hash_picture(luma),
            _mean_color(frame.pixels),
        )


def choose_keyframes(
    looks: Sequence[FrameLook], shots: Sequence[Shot], most: int = MOST_KEYFRAMES
) -> list[FrameLook]:
    """Return the key frames among the candidates, in order of time; at most ``most``.

    Every shot with a candidate gets its sharpest one, unless an earlier shot shows the same;
    others of a shot follow where they differ from all that were chosen. Of more than ``most``, the
    first ones of shots are kept, spread evenly, before any second one.
    """
    first: list[FrameLook] = []
    others: list[FrameLook] = []
    for inside in _group_by_shot(looks, shots):
        ranked = sorted(inside, key=lambda look: (-look.sharpness, look.time_ms))
        for number, look in enumerate(ranked):
            if not any(is_alike(look, known) for known in (*first, *others)):
                (others if number else first).append(look)
    chosen = _spread(first, most)
    chosen += _spread(others, most - len(chosen))
    return sorted(chosen, key=lambda look: look.time_ms)


def find_alike(
    looks: Sequence[FrameLook], shots: Sequence[Shot], chosen: Sequence[FrameLook]
) -> dict[int, FrameLook]:
    """Return the key frame that shows the same as a shot without one, by the shot's start.

    The shot's sharpest candidate decides. A shot without candidates, or whose like was left out
    because there were too many, is not in it.
    """
    times = {look.time_ms for look in chosen}
    found: dict[int, FrameLook] = {}
    for shot, inside in zip(shots, _group_by_shot(looks, shots), strict=True):
        if not inside or any(look.time_ms in times for look in inside):
            continue
        sharpest = min(inside, key=lambda look: (-look.sharpness, look.time_ms))
        like = next((known for known in chosen if is_alike(sharpest, known)), None)
        if like is not None:
            found[shot.start_ms] = like
    return found


def is_alike(look: FrameLook, other: FrameLook) -> bool:
    """Check whether two pictures show the same."""
    if (look.hash ^ other.hash).bit_count() > ALIKE_BITS:
        return False
    pairs = zip(look.color, other.color, strict=True)
    return max(abs(one - two) for one, two in pairs) <= ALIKE_LEVELS


def measure_sharpness(luma: _Floats) -> float:
    """Return the variance of the Laplacian of a picture's brightness (height × width)."""
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def hash_picture(luma: _Floats) -> int:
    """Return 64 bits that say which of a picture's coarse waves are above their median.

    The hash survives another size, brightness and compression. A flat picture has the hash 0.
    """
    if float(luma.std()) < FLAT_SPREAD:
        return 0
    waves = _cosines() @ _shrink(luma) @ _cosines().T
    coarse = waves.ravel()
    # The first wave is the mean brightness, which is no part of what a picture shows.
    is_high = coarse[1:] > np.median(coarse[1:])
    bits = np.concatenate([[False], is_high])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@cache
def _cosines() -> _Floats:
    """Return the first rows of the discrete cosine transform of 32 numbers."""
    places = (np.arange(_SMALL_SIDE) + 0.5) * np.pi / _SMALL_SIDE
    return np.cos(np.arange(_HASH_SIDE)[:, None] * places[None, :]).astype(np.float32)


def _shrink(luma: _Floats) -> _Floats:
    """Return the picture as 32 × 32 averages; a smaller one is enlarged first."""
    repeats = [-(-_SMALL_SIDE // side) for side in luma.shape]
    large = luma.repeat(repeats[0], axis=0).repeat(repeats[1], axis=1)
    edges = [np.arange(_SMALL_SIDE) * side // _SMALL_SIDE for side in large.shape]
    sums = np.add.reduceat(np.add.reduceat(large, edges[0], axis=0), edges[1], axis=1)
    counts = [
        np.diff([*edge, side]).astype(np.float32)
        for edge, side in zip(edges, large.shape, strict=True)
    ]
    return np.asarray(sums / np.outer(*counts), np.float32)


def _mean_color(pixels: Pixels) -> tuple[float, float, float]:
    red, green, blue = (float(channel) for channel in pixels.mean(axis=(0, 1)))
    return red, green, blue


def _group_by_shot(
    looks: Sequence[FrameLook], shots: Sequence[Shot]
) -> Iterator[Sequence[FrameLook]]:
    """Yield the candidates of each shot, in order of time."""
    ordered = sorted(looks, key=lambda look: look.time_ms)
    times = [look.time_ms for look in ordered]
    for shot in shots:
        start, end = np.searchsorted(times, [shot.start_ms, shot.end_ms])
        yield ordered[int(start) : int(end)]


def _spread(looks: list[FrameLook], most: int) -> list[FrameLook]:
    """Return at most so many of them, evenly."""
    if len(looks) <= most:
        return list(looks)
    return [looks[place * len(looks) // most] for place in range(max(0, most))]
