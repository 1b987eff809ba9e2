"""Frames with their faces; a frame without a face that can be examined is excluded and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cinemill.core.faces import FaceBox
from cinemill.core.frames import Frame
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.quality import FaceFlaw, FaceQuality, assess_face, find_flaw
from cinemill.inference.faces.tracks import FrameFaces, find_size

NO_FACE = "no_face"
"""Why a frame is excluded in which no face was found; other reasons are those of FaceFlaw."""

CLOSE_LOOK_EVERY = 4
"""Of the frames in which no face was found, how many to one that is searched closely: that costs
up to 15 times as much."""


@dataclass(frozen=True, slots=True)
class FoundFace:
    box: FaceBox
    quality: FaceQuality

    @property
    def flaw(self) -> FaceFlaw:
        return find_flaw(self.quality)


@dataclass(frozen=True, slots=True)
class ScannedFrame:
    """A frame, the shot that it belongs to, and its faces, the most certain first."""

    frame: Frame
    shot: int
    faces: tuple[FoundFace, ...]

    @property
    def usable_faces(self) -> FrameFaces:
        """Return the faces that can be examined, ready to be linked."""
        boxes = tuple(face.box for face in self.faces if not face.flaw)
        return FrameFaces(self.frame.time_ms, self.shot, boxes)

    @property
    def exclusion(self) -> str:
        """Return why the frame cannot be examined: the flaw of its largest face; else empty."""
        if not self.faces:
            return NO_FACE
        if any(not face.flaw for face in self.faces):
            return ""
        return max(self.faces, key=lambda face: find_size(face.box)).flaw.value


def scan_frames(
    detector: FaceDetector, frames: Iterable[tuple[Frame, int]]
) -> Iterator[ScannedFrame]:
    """Yield the frames with their faces; each comes with the number of its shot.

    Some of the frames that seem to show none are searched for faces that are too small to examine,
    so that they are not taken for no faces at all. Holds one frame at a time: the caller keeps
    what it needs of the pixels.
    """
    without_face = 0
    for frame, shot in frames:
        (boxes,) = detector.detect([frame.pixels])
        if not boxes:
            if without_face % CLOSE_LOOK_EVERY == 0:
                boxes = detector.detect_smallest(frame.pixels)
            without_face += 1
        faces = (FoundFace(box, assess_face(frame.pixels, box)) for box in boxes)
        yield ScannedFrame(frame, shot, tuple(faces))


def count_exclusions(frames: Iterable[ScannedFrame]) -> dict[str, int]:
    """Return how many frames cannot be examined, for each reason."""
    return dict(Counter(frame.exclusion for frame in frames if frame.exclusion))
