"""Which stored frames of a video may be copied into a piece. Pure.

Frames are stored in groups of pictures (GOPs), each starting with a key frame. A group may be
copied if it is closed (all frames stored in it are shown in it, without a gap) and complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class StoredFrame:
    number: int
    """Of the piece's frame that shows it; below 0 or past the last, it is not in the piece."""
    is_key: bool
    is_plain: bool = True
    """Whether nothing but the frame is stored in its packet, such as encoder settings, which would
    apply to everything after it."""


@dataclass(frozen=True, slots=True)
class CopyRange:
    """The frames stored from position ``begin`` to before ``end``, shown from ``first`` on."""

    begin: int
    end: int
    first: int

    @property
    def frames(self) -> int:
        return self.end - self.begin


def find_copy_range(stored: Sequence[StoredFrame], frames: int) -> CopyRange | None:
    """Return the longest range within a piece of ``frames`` frames, the first of equal ones.

    Returns None if any frame is not plain. ``stored`` are in stored order, from a key frame to
    the end of the video or at least to one frame after the piece. The last group is known to be
    complete only if the piece shows the last frame of the video.
    """
    if not all(frame.is_plain for frame in stored):
        return None
    keys = [place for place, frame in enumerate(stored) if frame.is_key]
    best: CopyRange | None = None
    running: CopyRange | None = None
    for begin, end in pairwise([*keys, len(stored)]):
        first = stored[begin].number
        if not _is_closed(stored[begin:end], first) or first < 0 or first + end - begin > frames:
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
    """Return whether the group shows each frame from its key frame on exactly once."""
    numbers = sorted(frame.number for frame in group)
    return numbers == list(range(first, first + len(group)))
