"""One face through one shot: faces of consecutive frames are linked by place and size.

Frames may be far apart (32 from a whole video), and a face that has moved by more than its own
width no longer overlaps its former box. So faces are compared by the distance that their points
have moved, in multiples of the face's size, and how far a face may move grows with the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from cinemill.core.faces import FaceBox, FaceTrack, TrackedFace
from cinemill.inference.faces.assignment import assign_pairs
from cinemill.inference.faces.crops import find_center

MAX_MISSED_FRAMES = 3
"""A face that is not found in more frames than this begins a new track when it returns."""
BASE_REACH = 0.5
REACH_PER_SECOND = 2.0
MAX_REACH = 1.5
"""How far a face may have moved since it was last seen, in multiples of its size."""
SIZE_WEIGHT = 1.0
"""Weight of a change of size: twice the size counts as a move of 0.7 face sizes."""


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """The faces of a frame; it belongs to the shot with this number."""

    time_ms: int
    shot: int
    boxes: tuple[FaceBox, ...]


@dataclass(slots=True)
class _OpenTrack:
    faces: list[TrackedFace] = field(default_factory=list)
    missed_frames: int = 0

    @property
    def last(self) -> TrackedFace:
        return self.faces[-1]


def link_faces(frames: Iterable[FrameFaces]) -> list[FaceTrack]:
    """Return tracks that hold each face of the frames once; no track crosses a shot.

    The order of the frames and of the boxes in a frame does not matter.
    """
    ordered = sorted(frames, key=lambda frame: (frame.shot, frame.time_ms))
    tracks: list[list[TrackedFace]] = []
    for _, shot in groupby(ordered, key=lambda frame: frame.shot):
        tracks += _link_shot(list(shot))
    tracks.sort(key=lambda faces: (faces[0].time_ms, _place(faces[0].box)))
    return [FaceTrack(number, tuple(faces)) for number, faces in enumerate(tracks, start=1)]


def _link_shot(frames: Sequence[FrameFaces]) -> list[list[TrackedFace]]:
    finished: list[_OpenTrack] = []
    tracks: list[_OpenTrack] = []
    for frame in frames:
        tracks = _continue_tracks(tracks, frame)
        finished += [track for track in tracks if track.missed_frames > MAX_MISSED_FRAMES]
        tracks = [track for track in tracks if track.missed_frames <= MAX_MISSED_FRAMES]
    return [track.faces for track in (*finished, *tracks)]


def _continue_tracks(tracks: list[_OpenTrack], frame: FrameFaces) -> list[_OpenTrack]:
    """Add the frame's faces to the tracks or begin new ones; return all that are open."""
    faces = [TrackedFace(frame.time_ms, box) for box in sorted(frame.boxes, key=_place)]
    costs = np.array([[_cost(track.last, face) for face in faces] for track in tracks])
    pairs = dict(assign_pairs(costs.reshape(len(tracks), len(faces)), limit=1.0))
    for number, track in enumerate(tracks):
        if number in pairs:
            track.faces.append(faces[pairs[number]])
            track.missed_frames = 0
        else:
            track.missed_frames += 1
    linked = set(pairs.values())
    begun = [_OpenTrack([face]) for number, face in enumerate(faces) if number not in linked]
    return [*tracks, *begun]


def _cost(earlier: TrackedFace, later: TrackedFace) -> float:
    """Return how unlikely it is that both are one face: 1 and more means that they are not.

    Squared, so that two faces that move together keep their tracks: two moves of one width cost
    less than one of two widths and none.
    """
    seconds = (later.time_ms - earlier.time_ms) / 1000
    reach = min(MAX_REACH, BASE_REACH + REACH_PER_SECOND * seconds)
    moved = measure_move(earlier.box, later.box)
    change = math.log(find_size(later.box) / find_size(earlier.box))
    return (moved**2 + (SIZE_WEIGHT * change) ** 2) / reach**2


def measure_move(earlier: FaceBox, later: FaceBox) -> float:
    """Return the distance between two faces in multiples of their size."""
    size = math.sqrt(find_size(earlier) * find_size(later))
    if earlier.points and len(earlier.points) == len(later.points):
        pairs = list(zip(earlier.points, later.points, strict=True))
        return sum(math.dist(*pair) for pair in pairs) / len(pairs) / size
    return math.dist(find_center(earlier), find_center(later)) / size


def find_size(box: FaceBox) -> float:
    """Return the side of a square with the box's area, at least one pixel."""
    return max(1.0, math.sqrt(box.width * box.height))


def _place(box: FaceBox) -> tuple[object, ...]:
    """Return a key that orders faces from left to right, and no two different ones equally."""
    return (box.left, box.top, box.width, box.height, box.score, box.points)
