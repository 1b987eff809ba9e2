"""Checks that nothing of a test video was seen in training: people, footage, look-alikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cinemill.capabilities.detection.datasets.picture_hash import MOST_DIFFERENT_BITS
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.datasets.shared_frames import find_shared_frames
from cinemill.capabilities.detection.datasets.splits import join_groups

_JOINED_SHARE = 0.5
_LEAKED_SHARE = 0.25
"""Less, since it is a warning only: two cuts of the same footage are sampled at different times, so
that not all of their frames look alike."""
_SAME_IMAGE_BITS = 1
"""Portraits are built alike: a single one proves less than frames of a video do."""


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
    """The person, the footage, or how many frames look alike."""


def find_leaks(
    train: Sequence[VideoRecord],
    test: Sequence[VideoRecord],
    train_hashes: Mapping[VideoKey, Sequence[int]] | None = None,
    test_hashes: Mapping[VideoKey, Sequence[int]] | None = None,
) -> list[Leak]:
    """Return one leak for each shared person and footage, and for each pair of look-alikes.

    The hashes are those of some frames of each video that show a face (``picture_hash``). Videos
    look alike if they share more than a quarter of the frames of the one that has fewer, and of its
    distinct frames (``shared_frames``). Two folders may hold different videos of one key, so each
    side has its own.
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
    found = find_shared_frames(train_hashes, test_hashes, image_bits=MOST_DIFFERENT_BITS)
    return [
        Leak(
            LeakKind.NEAR_DUPLICATE,
            train[shared.left].key,
            test[shared.right].key,
            f"{shared.frames} of {shared.of_frames} frames look alike",
        )
        for shared in found
        if shared.exceeds(_LEAKED_SHARE)
    ]


def join_look_alikes(videos: Sequence[tuple[str, Sequence[int]]]) -> dict[str, str]:
    """Return for each person the first in name of those whose videos look alike.

    Each video is given as its person and the hashes of its frames that show a face. Videos look
    alike if they share more than half of the frames of the one that has fewer, and of its distinct
    frames (``shared_frames``); one of fewer than four frames, an image, must look the same. What
    looks alike is the same footage, or a fake of it, under two names: such people must not be
    counted as two, or be separated.
    """
    hashes = [own for _, own in videos]
    links = [frozenset({person}) for person, _ in videos]
    links += [
        frozenset({videos[shared.left][0], videos[shared.right][0]})
        for shared in find_shared_frames(hashes, hashes, image_bits=_SAME_IMAGE_BITS)
        if shared.left < shared.right and shared.exceeds(_JOINED_SHARE)
    ]
    return {person: min(group) for group in join_groups(links) for person in group}
