"""What Rekognition can look for, and the operations that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cinemill.core.findings.finding import FindingKind


class Feature(StrEnum):
    """One analysis, which is started and paid for by itself."""

    LABELS = "labels"
    """Tags of ranges, and objects with boxes."""
    SEGMENTS = "segments"
    """Shots and technical cues."""
    FACES = "faces"
    """Faces with boxes, without names and without guesses about the person."""
    TEXT = "text"
    """Lines of text in the picture."""
    MODERATION = "moderation"
    """What may offend."""


@dataclass(frozen=True, slots=True)
class View:
    """One way to read the results of a job; reading is free."""

    kinds: tuple[FindingKind, ...]
    aggregate_by: str | None = None
    """``SEGMENTS`` or ``TIMESTAMPS``, where the operation knows them."""


@dataclass(frozen=True, slots=True)
class Operations:
    """The methods of the client for one feature."""

    start: str
    get: str
    results: str
    """The member of a reply that lists what was found."""
    views: tuple[View, ...]


OPERATIONS = {
    Feature.LABELS: Operations(
        "start_label_detection",
        "get_label_detection",
        "Labels",
        # Ranges come without boxes, and boxes without ranges.
        (View((FindingKind.TAG,), "SEGMENTS"), View((FindingKind.OBJECT,), "TIMESTAMPS")),
    ),
    Feature.SEGMENTS: Operations(
        "start_segment_detection",
        "get_segment_detection",
        "Segments",
        (View((FindingKind.SHOT, FindingKind.CUE)),),
    ),
    Feature.FACES: Operations(
        "start_face_detection", "get_face_detection", "Faces", (View((FindingKind.FACE,)),)
    ),
    Feature.TEXT: Operations(
        "start_text_detection", "get_text_detection", "TextDetections", (View((FindingKind.TEXT,)),)
    ),
    Feature.MODERATION: Operations(
        "start_content_moderation",
        "get_content_moderation",
        "ModerationLabels",
        (View((FindingKind.MODERATION,), "SEGMENTS"),),
    ),
}
