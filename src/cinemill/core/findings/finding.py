"""Findings: what a model found in a range of a video's time.

Times are whole milliseconds from the first frame; ranges are half-open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cinemill.core.documents import JsonObject

ALIKE_SHOTS = "alike_shots"
"""Detail of a key frame: when those shots begin that show the same and have none of their own."""


class FindingKind(StrEnum):
    """What is found. Speech is stored as a transcript."""

    SHOT = "shot"
    """The frames between two cuts."""
    KEYFRAME = "keyframe"
    """A sharp frame that differs from the others of its video."""
    SOUND = "sound"
    """Speech, singing or music."""
    TEXT = "text"
    """Text in the picture."""
    TAG = "tag"
    """What a picture shows as a whole."""
    OBJECT = "object"
    """A thing with a box."""
    FACE = "face"
    """A face with a box, and without a name."""
    KNOWLEDGE = "knowledge"
    """Entities and relations. They have tables of their own; the set only says what they rest on.
    """
    CUE = "cue"
    """What the trade marks: credits, black frames, color bars, a studio's logo, a slate."""
    MODERATION = "moderation"
    """What may offend, by a service's own scale."""
    DESCRIPTION = "description"
    """What happens in a range, in a model's sentences."""


@dataclass(frozen=True, slots=True)
class PictureBox:
    """A part of the picture, each number from 0 to 1: a share of its width or height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    start_ms: int
    end_ms: int
    """After ``start_ms``, also for what was seen in a single frame."""
    label: str
    """What it is: ``person``, ``music``; the text itself where text was read."""
    confidence: float | None = None
    """The model's own, 0 to 1; None where it states none."""
    box: PictureBox | None = None
    track: int | None = None
    """Findings of one video and kind with the same number show the same thing."""
    details: JsonObject = field(default_factory=dict)
    """What only this kind has, such as the sharpness of a key frame."""


@dataclass(frozen=True, slots=True)
class FindingModel:
    """What produced findings. Another value of any of these produces other findings."""

    provider: str
    """``local``, or the name of a service."""
    name: str
    """Of the model, or of the algorithm where there is none."""
    revision: str = ""
    """Names a model's weights, by their content where it is known."""
    version: int = 1
    """Of our code around it."""
