"""What a command is to write, to be checked afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cinemill.core.media import ArtifactKind


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """A file to come, and what must be true of it."""

    kind: ArtifactKind
    filename: str
    media_type: str
    width: int = 0
    height: int = 0
    fps: Fraction = Fraction(0)
    """0 for stills, sound, and frames at the source's own times."""
