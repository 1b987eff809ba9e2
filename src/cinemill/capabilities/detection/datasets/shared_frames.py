"""How much two videos share: frames of the one that look like frames of the other.

Frames are counted, not pairs of frames: a logo that stands still through ten frames of both videos
makes a hundred pairs, and is one picture. So frames of a video that look alike are one *distinct*
frame, and both counts matter. The distinct ones say how much of what there is to see is shared;
the frames, for how long it is to be seen: a talking head in front of a wall is one distinct
frame, and an intro before it must not weigh as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.picture_hash import (
    MOST_DIFFERENT_BITS,
    Hashes,
    says_something,
)

_FEWEST_FRAMES = 4
"""Of a video; fewer are taken for images."""
_BLOCK_FRAMES = 16_384
_STRIP_FRAMES = 64
"""Hashes that are compared with a block of others at a time: about 10 MB."""
_Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SharedFrames:
    """What two videos share, counted in the one that has fewer frames."""

    left: int
    right: int
    """Positions of the videos in their lists."""
    frames: int
    """Of that video that look like one of the other."""
    of_frames: int
    distinct: int
    of_distinct: int

    def exceeds(self, share: float) -> bool:
        """Check whether more than this share (0 to 1) of frames and of distinct ones is shared."""
        return self.frames > share * self.of_frames and self.distinct > share * self.of_distinct


def find_shared_frames(
    left: Sequence[Sequence[int]], right: Sequence[Sequence[int]], *, image_bits: int
) -> Iterator[SharedFrames]:
    """Yield what each video of the left shares with one of the right, if it is anything.

    Videos are given by the hashes of their frames. Frames look alike if at most
    ``MOST_DIFFERENT_BITS`` of their hashes differ; ``image_bits`` where one of the videos has fewer
    than four frames. Hashes that say nothing (``says_something``) are left out.
    """
    blocks = [*_list_blocks(right, image_bits)]
    for number, own in enumerate(left):
        for video in _list_blocks([own], image_bits):
            for block in blocks:
                yield from _compare(number, video, block)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """The frames of some videos, one video after the other, look-alikes side by side."""

    hashes: Hashes
    most_bits: NDArray[np.uint8]
    """For each frame, how many bits may differ."""
    positions: _Positions
    """For each video, its place in the list of all."""
    videos: _Positions
    """Where the frames of each video begin."""
    distinct: _Positions
    """Where the frames of each distinct picture begin."""
    first_distinct: _Positions
    """For each video, the number of its first distinct picture."""

    def count_frames(self) -> _Positions:
        return np.diff(self.videos, append=len(self.hashes))

    def count_distinct(self) -> _Positions:
        return np.diff(self.first_distinct, append=len(self.distinct))


def _list_blocks(videos: Sequence[Sequence[int]], image_bits: int) -> Iterator[_Block]:
    """Yield the videos that have hashes, in blocks that hold whole videos."""
    waiting: list[tuple[int, list[list[int]]]] = []
    size = 0
    for position, own in enumerate(videos):
        groups = _group_alike([value for value in own if says_something(value)])
        if not groups:
            continue
        frames = sum(map(len, groups))
        if waiting and size + frames > _BLOCK_FRAMES:
            yield _make_block(waiting, image_bits)
            waiting, size = [], 0
        waiting.append((position, groups))
        size += frames
    if waiting:
        yield _make_block(waiting, image_bits)


def _group_alike(hashes: Sequence[int]) -> list[list[int]]:
    """Return the hashes, those together that look like the first of them."""
    groups: list[list[int]] = []
    for value in hashes:
        for group in groups:
            if (group[0] ^ value).bit_count() <= MOST_DIFFERENT_BITS:
                group.append(value)
                break
        else:
            groups.append([value])
    return groups


def _make_block(videos: Sequence[tuple[int, Sequence[Sequence[int]]]], image_bits: int) -> _Block:
    groups = [group for _, own in videos for group in own]
    frames = [sum(map(len, own)) for _, own in videos]
    limits = [MOST_DIFFERENT_BITS if count >= _FEWEST_FRAMES else image_bits for count in frames]
    return _Block(
        hashes=np.array([value for group in groups for value in group], np.uint64),
        most_bits=np.repeat(np.array(limits, np.uint8), frames),
        positions=np.array([position for position, _ in videos], np.intp),
        videos=_begin(frames),
        distinct=_begin([len(group) for group in groups]),
        first_distinct=_begin([len(own) for _, own in videos]),
    )


def _begin(lengths: Sequence[int]) -> _Positions:
    """Return where each of so many things begins."""
    return np.concatenate([[0], np.cumsum(lengths[:-1], dtype=np.intp)]).astype(np.intp)


def _compare(number: int, video: _Block, block: _Block) -> Iterator[SharedFrames]:
    """Yield what the one video of a block shares with each of another block."""
    seen, others_seen = _find_seen(video, block)
    own_distinct = np.logical_or.reduceat(seen, video.distinct, axis=0).sum(axis=0)
    others = np.add.reduceat(others_seen.astype(np.intp), block.videos)
    seen_distinct = np.logical_or.reduceat(others_seen, block.distinct)
    others_distinct = np.add.reduceat(seen_distinct.astype(np.intp), block.first_distinct)
    own = seen.sum(axis=0)
    sizes, sizes_distinct = block.count_frames(), block.count_distinct()
    for at in np.flatnonzero(own).tolist():
        ours = (len(seen), -int(own[at]), int(own_distinct[at]), len(video.distinct))
        theirs = (
            int(sizes[at]),
            -int(others[at]),
            int(others_distinct[at]),
            int(sizes_distinct[at]),
        )
        # Of videos with equally many frames, that which shares more of them.
        of_frames, frames, distinct, of_distinct = min(ours, theirs)
        yield SharedFrames(
            number, int(block.positions[at]), -frames, of_frames, distinct, of_distinct
        )


def _find_seen(video: _Block, block: _Block) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which frames are seen in which videos of the block, and which of its are seen."""
    strips = []
    others_seen = np.zeros(len(block.hashes), np.bool_)
    for start in range(0, len(video.hashes), _STRIP_FRAMES):
        strip = slice(start, start + _STRIP_FRAMES)
        different = np.bitwise_count(video.hashes[strip, None] ^ block.hashes)
        is_close = different <= np.minimum(video.most_bits[strip, None], block.most_bits)
        strips.append(np.logical_or.reduceat(is_close, block.videos, axis=1))
        others_seen |= is_close.any(axis=0)
    return np.concatenate(strips), others_seen
