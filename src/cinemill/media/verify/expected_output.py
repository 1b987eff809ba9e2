"""What a command is expected to write, to be checked afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cinemill.core.media import ArtifactKind


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """A file to be written, and what must be true of it."""

    kind: ArtifactKind
    filename: str
    media_type: str
    width: int = 0
    height: int = 0
    fps: Fraction = Fraction(0)
    """0 for stills, audio, and frames with the source's own timestamps."""
