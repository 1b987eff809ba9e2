"""Faces in pictures: boxes, points, and tracks of one face through a shot."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
"""x and y in pixels."""


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in a picture, in pixels of the picture as it is displayed."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """Confidence of the detector, 0 to 1."""
    points: tuple[Point, ...] = ()
    """Left eye, right eye, nose, left and right corner of the mouth, as the viewer sees them; empty
    if the detector returns none."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face at a moment."""

    time_ms: int
    box: FaceBox


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face through one shot, in order of time."""

    number: int
    """From 1, in order of first appearance in the video."""
    faces: tuple[TrackedFace, ...]

    @property
    def start_ms(self) -> int:
        return self.faces[0].time_ms

    @property
    def end_ms(self) -> int:
        """Return the time of the last sighting."""
        return self.faces[-1].time_ms
