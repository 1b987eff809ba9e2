"""Checks that nothing of a test video was seen in training: people, footage, look-alikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.picture_hash import find_close_pairs
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.datasets.splits import join_groups

MOST_DIFFERENT_BITS = 4
"""Of 64. On 108 frames of nine sample videos: 82 to 95 % of those that are saved as JPEG of quality
30 to 90, down to a third of their size, differ in at most so many; frames of different footage
differ in at least 15."""
_FEWEST_FRAMES = 4
_SAME_IMAGE_BITS = 1
"""Portraits are built alike: a single one proves less than frames of a video do."""
Positions = NDArray[np.intp]


class LeakKind(StrEnum):
    """What two videos share."""

    IDENTITY = "identity"
    SOURCE = "source"
    NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that is in training and in test."""

    kind: LeakKind
    train: VideoKey
    test: VideoKey
    shared: str
    """The person, the footage, or how many bits of the hashes differ at most."""


def find_leaks(
    train: Sequence[VideoRecord],
    test: Sequence[VideoRecord],
    train_hashes: Mapping[VideoKey, Sequence[int]] | None = None,
    test_hashes: Mapping[VideoKey, Sequence[int]] | None = None,
) -> list[Leak]:
    """Return one leak for each shared person and footage, and for each pair of look-alikes.

    The hashes are those of some frames of each video (``picture_hash``). Two folders may hold
    different videos of one key, so each side has its own.
    """
    leaks = [
        *_find_shared(LeakKind.IDENTITY, _by_identity(train), _by_identity(test)),
        *_find_shared(LeakKind.SOURCE, _by_source(train), _by_source(test)),
    ]
    if train_hashes and test_hashes:
        ours = [train_hashes.get(one.key, ()) for one in train]
        theirs = [test_hashes.get(one.key, ()) for one in test]
        leaks += _find_duplicates(train, test, ours, theirs)
    return leaks


def _by_identity(records: Sequence[VideoRecord]) -> dict[str, VideoKey]:
    return {name: one.key for one in reversed(records) for name in one.identities}


def _by_source(records: Sequence[VideoRecord]) -> dict[str, VideoKey]:
    return {one.source: one.key for one in reversed(records) if one.source}


def _find_shared(
    kind: LeakKind, train: Mapping[str, VideoKey], test: Mapping[str, VideoKey]
) -> list[Leak]:
    return [
        Leak(kind, train[name], test[name], name) for name in sorted(train.keys() & test.keys())
    ]


def _find_duplicates(
    train: Sequence[VideoRecord],
    test: Sequence[VideoRecord],
    train_hashes: Sequence[Sequence[int]],
    test_hashes: Sequence[Sequence[int]],
) -> list[Leak]:
    ours, our_hashes = _flatten(train_hashes)
    theirs, their_hashes = _flatten(test_hashes)
    frames: Counter[tuple[int, int]] = Counter()
    for pairs in find_close_pairs(our_hashes, their_hashes, MOST_DIFFERENT_BITS):
        frames.update(_count_videos(ours[pairs.left], theirs[pairs.right]))
    return [
        Leak(
            LeakKind.NEAR_DUPLICATE,
            train[left].key,
            test[right].key,
            f"{count} pairs of frames look alike",
        )
        for (left, right), count in sorted(frames.items())
    ]


def join_look_alikes(videos: Sequence[tuple[str, Sequence[int]]]) -> dict[str, str]:
    """Return for each person the first in name of those whose videos look alike.

    Each video is given as its person and the hashes of its frames. Videos look alike if as many
    pairs of their frames do as half of the frames of the one that has fewer; one of less than
    four frames, an image, must look the same. What looks alike is the same footage, or a fake of
    it, under two names: such people must not be counted as two, nor parted.
    """
    owners, hashes = _flatten([own for _, own in videos])
    sizes = [len(own) for _, own in videos]
    is_image = np.array([size < _FEWEST_FRAMES for size in sizes], np.bool_)
    frames: Counter[tuple[int, int]] = Counter()
    for pairs in find_close_pairs(hashes, hashes, MOST_DIFFERENT_BITS):
        left, right = owners[pairs.left], owners[pairs.right]
        limit = np.where(is_image[left] | is_image[right], _SAME_IMAGE_BITS, MOST_DIFFERENT_BITS)
        counted = (left < right) & (pairs.bits <= limit)
        frames.update(_count_videos(left[counted], right[counted]))
    links = [frozenset({person}) for person, _ in videos]
    links += [
        frozenset({videos[left][0], videos[right][0]})
        for (left, right), count in frames.items()
        if 2 * count >= min(sizes[left], sizes[right])
    ]
    return {person: min(group) for group in join_groups(links) for person in group}


def _count_videos(left: Positions, right: Positions) -> dict[tuple[int, int], int]:
    """Return how many pairs of frames there are of each pair of videos."""
    pairs, counts = np.unique(np.stack([left, right], axis=1), axis=0, return_counts=True)
    return {
        (int(one), int(other)): int(count)
        for (one, other), count in zip(pairs, counts, strict=True)
    }


def _flatten(videos: Sequence[Sequence[int]]) -> tuple[Positions, list[int]]:
    """Return all hashes, and for each the position of its video."""
    owners = np.repeat(np.arange(len(videos)), np.array([len(own) for own in videos], np.intp))
    return owners, [value for own in videos for value in own]
