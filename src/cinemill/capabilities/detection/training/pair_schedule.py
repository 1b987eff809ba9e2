"""The order in which faces become pairs: each batch of many people, each real with its own fake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.training.randomness import item_random


@dataclass(frozen=True, slots=True, order=True)
class FaceReference:
    """A face of a real video from which a pair is made."""

    video: VideoKey
    identity: str
    time_ms: int
    face: int = 0
    """Number of the face in its frame."""


def list_batches(
    faces: Sequence[FaceReference], batch_pairs: int, *, seed: int, epoch: int
) -> Iterator[tuple[FaceReference, ...]]:
    """Yield all faces once, in batches of so many pairs.

    People take turns, so that a batch holds as many of them as it can: a person who appears in a
    thousand frames does not fill it. The order is that of the seed and epoch alone. Raises
    ValueError if a batch holds no pair.
    """
    if batch_pairs < 1:
        raise ValueError("A batch holds at least one pair.")
    order = _interleave(faces, seed, epoch)
    for start in range(0, len(order), batch_pairs):
        yield tuple(order[start : start + batch_pairs])


def _interleave(faces: Sequence[FaceReference], seed: int, epoch: int) -> list[FaceReference]:
    by_person: defaultdict[str, list[FaceReference]] = defaultdict(list)
    for face in sorted(faces):
        by_person[face.identity].append(face)
    places: list[tuple[float, str, int]] = []
    for person, own in sorted(by_person.items()):
        random = item_random(seed, "order", epoch, person)
        for place, number in enumerate(random.permutation(len(own))):
            # A face's time of turn: evenly through the epoch, with its own offset.
            places.append(((place + random.uniform()) / len(own), person, int(number)))
    return [by_person[person][number] for _, person, number in sorted(places)]
