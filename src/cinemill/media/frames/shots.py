"""Shots of a video: cuts, and fades through one color, found on tiny frames.

A cut is a step between two frames that stands out from the steps around it: in absolute terms, so
that noise is none, and relative to its neighbors, so that motion is none. Color counts, not only
brightness: cuts between flat images of one brightness are cuts. A flash, after which the image is
the one before, is none. A fade leads through frames of one color; the boundary is in their middle.
Times come from the frames, so a variable rate and gaps need nothing special.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cinemill.core.frames import Shot
from cinemill.media.frames.process import ShouldStop, never_stop

SHORTEST_SHOT_MS = 200
FLASH_MS = 250
"""An image that is back within this time was not left."""
LEAST_CHANGE = 6.0
"""Mean difference of neighboring frames, in levels of 255, below which nothing is a cut."""
LEAST_SHARE = 0.3
"""Share of the image that a cut changes by more than :data:`CHANGED_LEVELS`."""
CHANGED_LEVELS = 10
STEP_RATIO = 1.8
"""How much larger a cut is than any step around it."""
NEIGHBORS = 6
"""Steps on either side that a cut is compared with. Its direct neighbors are not: an encoder, or a
conversion of frame rates, may blend the frames of a cut."""
RETURN_SHARE = 0.5
"""The image before a step is back if it differs by less than this share of the step."""
FLAT_SPREAD = 5.0
"""Standard deviation, in levels, below which a frame has one color."""
FULL_SPREAD = 20.0
"""Standard deviation of what a fade leads to and from."""
FADE_FRAMES = 50
"""A fade begins and ends within so many frames of its flat ones."""
_BLOCK_FRAMES = 256
_LOOKAHEAD = 32
"""Frames that are searched for the end of a flash."""

_ASK_EVERY = 1024
"""Steps or ranges between two questions whether to stop."""

TinyFrame = NDArray[np.uint8]
_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Steps:
    """What is kept of all frames, 22 bytes of each; entry n is about frame n and the one before."""

    times_ms: array[int] = field(default_factory=lambda: array("q"))
    change: array[float] = field(default_factory=lambda: array("f"))
    share: array[float] = field(default_factory=lambda: array("f"))
    spread: array[float] = field(default_factory=lambda: array("f"))
    begins_flash: bytearray = field(default_factory=bytearray)
    in_flash: bytearray = field(default_factory=bytearray)
    """From a flash's first frame to the first one after it."""

    def note_flash(self, start: int, end: int) -> None:
        """Mark a flash that begins with frame ``start`` and is over with frame ``end``."""
        self.begins_flash[start] = True
        self.in_flash[start : end + 1] = b"\x01" * (end + 1 - start)


def detect_shots(
    frames: Iterable[tuple[int, TinyFrame]],
    end_ms: int,
    *,
    should_stop: ShouldStop = never_stop,
) -> list[Shot]:
    """Return the shots of a video, which cover it without gaps up to ``end_ms``.

    ``frames`` are all its frames (milliseconds, 27 × 48 × 3 RGB; other sizes work) in order of
    time. Keeps a few numbers of each, and a few hundred images. Returns no shot if there is no
    frame. Raises what ``should_stop`` returns, which is asked again and again.
    """
    steps = _measure(frames, should_stop)
    if not steps.times_ms:
        return []
    starts = [steps.times_ms[0], *_starts(steps, end_ms, should_stop)]
    ends = [*starts[1:], max(end_ms, steps.times_ms[-1] + 1)]
    return [Shot(start, end) for start, end in zip(starts, ends, strict=True)]


def _measure(frames: Iterable[tuple[int, TinyFrame]], should_stop: ShouldStop) -> _Steps:
    steps = _Steps()
    carried: list[tuple[int, TinyFrame]] = []
    for block in _ask_between(_blocks(frames), should_stop, every=1):
        window = [*carried, *block]
        images = np.stack([image for _, image in window]).astype(np.int16)
        _add_steps(steps, block, images)
        _find_flashes(steps, images)
        carried = window[-_LOOKAHEAD - 1 :]
    return steps


def _ask_between(
    items: Iterable[_Item], should_stop: ShouldStop, *, every: int = _ASK_EVERY
) -> Iterator[_Item]:
    """Yield the items, and raise what ``should_stop`` returns before one of so many."""
    for number, item in enumerate(items):
        if number % every == 0 and (stop := should_stop()) is not None:
            raise stop
        yield item


def _blocks(frames: Iterable[tuple[int, TinyFrame]]) -> Iterator[list[tuple[int, TinyFrame]]]:
    iterator = iter(frames)
    while block := list(itertools.islice(iterator, _BLOCK_FRAMES)):
        yield block


def _add_steps(
    steps: _Steps, block: Sequence[tuple[int, TinyFrame]], images: NDArray[np.int16]
) -> None:
    """Add the block's frames, which are the last of ``images``."""
    new = images[-len(block) :]
    before = images[-len(block) - 1 : -1] if len(images) > len(block) else images[:-1]
    change, share = _compare(new[len(new) - len(before) :], before)
    first = [0.0] * (len(new) - len(before))
    steps.times_ms.extend(time for time, _ in block)
    steps.change.extend([*first, *change.tolist()])
    steps.share.extend([*first, *share.tolist()])
    steps.spread.extend(_measure_spread(new).tolist())
    steps.begins_flash.extend(bytes(len(new)))
    steps.in_flash.extend(bytes(len(new)))


def _compare(
    images: NDArray[np.int16], before: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean difference of each pair, and the share of the image that changed.

    NumPy's own means over several axes take most of the time that finding shots takes.
    """
    if len(images) == 0:
        return np.empty(0), np.empty(0)
    difference = np.abs(images - before)
    red, green, blue = (difference[..., channel] for channel in range(3))
    most = np.maximum(np.maximum(red, green), blue).reshape(len(images), -1)
    total = difference.reshape(len(images), -1).sum(axis=1, dtype=np.int64)
    changed = np.count_nonzero(most > CHANGED_LEVELS, axis=1)
    return total / difference[0].size, changed / most.shape[1]


def _measure_spread(images: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the standard deviation of each image's most varied channel."""
    pixels = images.reshape(len(images), -1, 3).transpose(0, 2, 1).astype(np.float64, order="C")
    mean = pixels.mean(axis=2)
    square = np.einsum("ncp,ncp->nc", pixels, pixels) / pixels.shape[2]
    spread: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0.0)).max(axis=1)
    return spread


def _find_flashes(steps: _Steps, images: NDArray[np.int16]) -> None:
    """Note each large step among ``images``, the last frames, after which the image comes back.

    A step near the end is looked at again with the next block.
    """
    offset = len(steps.times_ms) - len(images)
    for place in range(1, len(images)):
        number = offset + place
        if not _is_large(steps, number):
            continue
        limit_ms = steps.times_ms[number] + FLASH_MS
        later = [
            n
            for n in range(number + 1, min(number + 1 + _LOOKAHEAD, len(steps.times_ms)))
            if steps.times_ms[n] <= limit_ms
        ]
        ahead = images[place + 1 : place + 1 + len(later)]
        back = np.abs(ahead - images[place - 1]).mean(axis=(1, 2, 3))
        found = np.flatnonzero(back < RETURN_SHARE * steps.change[number])
        if found.size:
            steps.note_flash(number, later[int(found[0])])


def _is_large(steps: _Steps, number: int) -> bool:
    return steps.change[number] >= LEAST_CHANGE and steps.share[number] >= LEAST_SHARE


def _starts(steps: _Steps, end_ms: int, should_stop: ShouldStop) -> list[int]:
    """Return when shots begin, but for the first; none is too short."""
    cuts = _find_cuts(steps, should_stop)
    starts: list[int] = []
    latest = steps.times_ms[0]
    for number in sorted({*cuts, *_find_fades(steps, cuts, should_stop)}):
        time_ms = steps.times_ms[number]
        if time_ms - latest >= SHORTEST_SHOT_MS and end_ms - time_ms >= SHORTEST_SHOT_MS:
            starts.append(time_ms)
            latest = time_ms
    return starts


def _find_cuts(steps: _Steps, should_stop: ShouldStop) -> list[int]:
    """Return the frames that a cut leads to."""
    in_flash = np.frombuffer(steps.in_flash, dtype=np.bool_)
    change = np.where(in_flash, np.float32(0), np.frombuffer(steps.change, np.float32))
    is_large = (change >= LEAST_CHANGE) & (np.frombuffer(steps.share, np.float32) >= LEAST_SHARE)
    return [
        number
        for number in _ask_between(np.flatnonzero(is_large).tolist(), should_stop)
        if number > 0 and _stands_out(change, number)
    ]


def _stands_out(change: NDArray[np.float32], number: int) -> bool:
    direct = change[max(0, number - 1) : number + 2]
    if change[number] < direct.max():
        return False
    around = [
        *change[max(0, number - NEIGHBORS) : max(0, number - 1)],
        *change[number + 2 : number + 1 + NEIGHBORS],
    ]
    return bool(change[number] >= STEP_RATIO * max(around, default=0.0))


def _find_fades(steps: _Steps, cuts: Sequence[int], should_stop: ShouldStop) -> list[int]:
    """Return the middle frames of flat ranges between images, where no cut leads in or out."""
    spread = np.frombuffer(steps.spread, np.float32)
    is_flat = np.concatenate([[False], spread < FLAT_SPREAD, [False]])
    edges = np.flatnonzero(is_flat[1:] != is_flat[:-1])
    sudden = np.union1d(
        np.array(cuts, dtype=np.intp),
        np.flatnonzero(np.frombuffer(steps.begins_flash, dtype=np.bool_)),
    )
    found = []
    ranges = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    for start, end in _ask_between(ranges, should_stop):
        before = spread[max(0, start - FADE_FRAMES) : start]
        after = spread[end : end + FADE_FRAMES]
        has_images = before.max(initial=0) > FULL_SPREAD and after.max(initial=0) > FULL_SPREAD
        first, last = np.searchsorted(sudden, (start - 1, end + 2))
        if has_images and first == last:
            found.append((start + end) // 2)
    return found
