"""Faces with boxes and without names, linked into tracks within shots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cinemill.capabilities.analysis.sampled_frames import SampledFrame
from cinemill.capabilities.analysis.tracks import number_tracks
from cinemill.core.faces import FaceBox
from cinemill.core.findings.finding import Finding, FindingModel, PictureBox
from cinemill.core.frames import Shot
from cinemill.inference.faces.detector import CARD, FaceDetector
from cinemill.inference.models.catalog import get_card

FACE_MODEL = FindingModel("local", CARD, get_card(CARD).revision, version=1)
LABEL = "face"


def find_faces(sampled: SampledFrame, detector: FaceDetector) -> list[Finding]:
    """Return the faces in one frame, the most certain first; none has a track yet."""
    (boxes,) = detector.detect([sampled.frame.pixels])
    height, width = sampled.frame.pixels.shape[:2]
    return [
        Finding(sampled.start_ms, sampled.end_ms, LABEL, box.score, _to_shares(box, width, height))
        for box in boxes
    ]


def link_faces(
    sightings: Iterable[Finding], shots: Sequence[Shot], *, aspect: float
) -> list[Finding]:
    """Return the sightings of a video in order, with the number of their track.

    ``aspect`` is the picture's width divided by its height. A track is one face in one shot; nobody
    is recognised in another.
    """
    return number_tracks(sightings, shots, aspect=aspect)


def _to_shares(box: FaceBox, width: int, height: int) -> PictureBox:
    return PictureBox(box.left / width, box.top / height, box.width / width, box.height / height)
