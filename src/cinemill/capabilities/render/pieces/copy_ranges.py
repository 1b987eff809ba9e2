"""Which pictures of a film may be copied into a piece as they are stored. Pure.

Pictures lie in groups, each begun by a key frame. A group may be copied if it is closed (all that
is stored in it is shown in it, without a gap) and whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class StoredFrame:
    number: int
    """Of the piece's frame that shows it; below 0 and beyond the last are others' frames."""
    is_key: bool
    is_plain: bool = True
    """Whether nothing but the picture is stored with it; such as other settings of the encoder,
    which would hold for whatever comes after."""


@dataclass(frozen=True, slots=True)
class CopyRange:
    """What is stored from place ``begin`` until before ``end`` makes the piece's frames from
    ``first`` on, as many."""

    begin: int
    end: int
    first: int

    @property
    def frames(self) -> int:
        return self.end - self.begin


def find_copy_range(pictures: Sequence[StoredFrame], frames: int) -> CopyRange | None:
    """The longest that lies within a piece of so many frames; of equal ones the first. None at all
    where a picture is not plain.

    ``pictures`` in the order in which they are stored, from a key frame on, to the film's end or
    to one at least that the piece does not show any more. Of the last group it is known to be
    whole only where the piece shows the film's last picture.
    """
    if not all(picture.is_plain for picture in pictures):
        return None
    keys = [place for place, picture in enumerate(pictures) if picture.is_key]
    best: CopyRange | None = None
    running: CopyRange | None = None
    for begin, end in pairwise([*keys, len(pictures)]):
        first = pictures[begin].number
        if not _is_closed(pictures[begin:end], first) or first < 0 or first + end - begin > frames:
            running = None
            continue
        follows = running is not None and running.first + running.frames == first
        running = CopyRange(
            running.begin if running and follows else begin,
            end,
            running.first if running and follows else first,
        )
        if best is None or running.frames > best.frames:
            best = running
    return best


def _is_closed(group: Sequence[StoredFrame], first: int) -> bool:
    """Whether it shows each frame from its key frame's on once."""
    numbers = sorted(picture.number for picture in group)
    return numbers == list(range(first, first + len(group)))
