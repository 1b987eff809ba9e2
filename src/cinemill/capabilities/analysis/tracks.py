"""The same thing in several frames of a shot: sightings with boxes get the number of a track.

Pure. Sightings are linked by place and size, those of each label by themselves, and never across a
cut. So a chunk's sightings are linked after all chunks are merged, and seams leave no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cinemill.capabilities.analysis.sampled_frames import find_shot
from cinemill.core.faces import FaceBox
from cinemill.core.findings.finding import Finding, PictureBox
from cinemill.core.frames import Shot
from cinemill.inference.faces.tracks import FrameFaces, link_faces

Place = tuple[str, int, int]
"""Label, number of the shot, and time."""


def number_tracks(
    findings: Iterable[Finding], shots: Sequence[Shot], *, aspect: float
) -> list[Finding]:
    """Return the findings with track numbers, from 1 in order of first appearance.

    Each finding is a sighting in one frame. Those without a box get no number. ``aspect`` is the
    picture's width divided by its height. The order of the findings does not matter; they come back
    by time, then by place.
    """
    ordered = sorted(findings, key=sort_key)
    boxes = [_to_square(one.box, aspect) if one.box is not None else None for one in ordered]
    frames: dict[Place, list[int]] = {}
    for at, one in enumerate(ordered):
        if boxes[at] is not None:
            place = (one.label, find_shot(shots, one.start_ms), one.start_ms)
            frames.setdefault(place, []).append(at)
    tracks: list[list[int]] = []
    for label in sorted({place[0] for place in frames}):
        tracks += _link({place: ats for place, ats in frames.items() if place[0] == label}, boxes)
    tracks.sort(key=min)
    numbers = {at: number for number, ats in enumerate(tracks, start=1) for at in ats}
    return [replace(one, track=numbers.get(at)) for at, one in enumerate(ordered)]


def sort_key(one: Finding) -> tuple[int, int, str, float, float, float, float]:
    """Return a key that orders findings by time, label and place."""
    box = one.box or PictureBox(0, 0, 0, 0)
    return one.start_ms, one.end_ms, one.label, box.left, box.top, box.width, box.height


def _link(frames: dict[Place, list[int]], boxes: Sequence[FaceBox | None]) -> Iterable[list[int]]:
    """Return which findings of one label belong together."""
    # Boxes pass through the linking as they are: each is known by its identity.
    known = {id(boxes[at]): at for ats in frames.values() for at in ats}
    sightings = [
        FrameFaces(time_ms, shot, tuple(box for at in ats if (box := boxes[at]) is not None))
        for (_, shot, time_ms), ats in frames.items()
    ]
    for track in link_faces(sightings):
        yield [known[id(face.box)] for face in track.faces]


_SCALE = 1000.0
"""Height of the picture in the units that boxes are linked in."""


def _to_square(box: PictureBox, aspect: float) -> FaceBox:
    """Return the box in units that are as wide as they are high."""
    across = _SCALE * aspect
    return FaceBox(
        box.left * across, box.top * _SCALE, box.width * across, box.height * _SCALE, 1.0
    )
