"""Objects with boxes: what a detector sees in each frame, linked into tracks within shots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cinemill.capabilities.analysis.sampled_frames import SampledFrame
from cinemill.capabilities.analysis.tracks import number_tracks
from cinemill.core.findings.finding import Finding, FindingModel
from cinemill.core.frames import Shot
from cinemill.inference.models.analysis.objects import NANODET
from cinemill.inference.objects.detector import ObjectDetector

OBJECT_MODEL = FindingModel("local", NANODET.name, NANODET.revision, version=1)


def find_objects(sampled: SampledFrame, detector: ObjectDetector) -> list[Finding]:
    """Return the objects in one frame, the most certain first; none has a track yet.

    Raises OutOfMemory.
    """
    (found,) = detector.detect([sampled.frame.pixels])
    return [
        Finding(sampled.start_ms, sampled.end_ms, one.label, one.confidence, one.box)
        for one in found
    ]


def link_objects(
    sightings: Iterable[Finding], shots: Sequence[Shot], *, aspect: float
) -> list[Finding]:
    """Return the sightings of a video in order, with the number of their track.

    ``aspect`` is the picture's width divided by its height.
    """
    return number_tracks(sightings, shots, aspect=aspect)
