"""Evidence of a video: which faces could be examined, and what the ensemble made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

STANDARD_FRAMES = 32
"""Frames of a video that an analysis looks at, unless it is a fast one."""


@dataclass(frozen=True, slots=True)
class FaceCounts:
    """What became of the frames and faces that were examined."""

    frames: int
    frames_without_face: int
    usable: int
    """Faces that were scored."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Faces that were found and not scored, by flaw."""

    @property
    def found(self) -> int:
        return self.usable + sum(self.excluded.values())


@dataclass(frozen=True, slots=True)
class VideoScores:
    """What the ensemble measured on a video with usable faces."""

    logit: float
    """The fused score, aggregated over all tracks."""
    tracks: int
    subject: str
    """Digest of the heads and weights that were used; calibrations name theirs."""
    aggregation: str
    distances: Mapping[str, float] = field(default_factory=dict)
    """For each member that measures distances."""
    disagreement: float | None = None
    """None for an ensemble of one."""
    frames: int = STANDARD_FRAMES
    """That the analysis looked at, with a face or without."""
    missing: tuple[str, ...] = ()
    """Members that should have been used and were not there."""

    @property
    def is_finite(self) -> bool:
        numbers = (self.logit, self.disagreement or 0.0, *self.distances.values())
        return all(math.isfinite(number) for number in numbers)
