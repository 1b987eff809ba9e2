"""The format of a rendered output."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """The format of the output.

    A frame of another aspect ratio is fitted in, with the background at its sides.
    """

    width: int = 1920
    height: int = 1080
    fps: Fraction = Fraction(30)
    """Constant."""
