"""Checks that nothing of a test video was seen in training: people, footage, look-alikes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cinemill.capabilities.detection.datasets.picture_hash import find_close_pairs
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord

MOST_DIFFERENT_BITS = 4
"""Of 64. On 108 frames of nine sample videos: 82 to 95 % of those that are saved as JPEG of quality
30 to 90, down to a third of their size, differ in at most so many; frames of different footage
differ in at least 15."""


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
    hashes: Mapping[VideoKey, Sequence[int]] | None = None,
) -> list[Leak]:
    """Return one leak for each shared person and footage, and for each pair of look-alikes.

    ``hashes`` are those of some frames of each video (``picture_hash``).
    """
    leaks = [
        *_find_shared(LeakKind.IDENTITY, _by_identity(train), _by_identity(test)),
        *_find_shared(LeakKind.SOURCE, _by_source(train), _by_source(test)),
    ]
    if hashes:
        leaks += _find_duplicates(train, test, hashes)
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
    hashes: Mapping[VideoKey, Sequence[int]],
) -> list[Leak]:
    ours, our_hashes = _flatten(train, hashes)
    theirs, their_hashes = _flatten(test, hashes)
    frames: defaultdict[tuple[VideoKey, VideoKey], int] = defaultdict(int)
    for left, right in find_close_pairs(our_hashes, their_hashes, MOST_DIFFERENT_BITS):
        frames[ours[left], theirs[right]] += 1
    return [
        Leak(LeakKind.NEAR_DUPLICATE, left, right, f"{count} pairs of frames look alike")
        for (left, right), count in sorted(frames.items())
    ]


def _flatten(
    records: Sequence[VideoRecord], hashes: Mapping[VideoKey, Sequence[int]]
) -> tuple[list[VideoKey], list[int]]:
    rows = [(one.key, value) for one in records for value in hashes.get(one.key, ())]
    return [key for key, _ in rows], [value for _, value in rows]
