"""The format of a rendered output."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What comes out. A picture of another shape is fitted in, with the background beside it."""

    width: int = 1920
    height: int = 1080
    fps: Fraction = Fraction(30)
    """Constant."""
