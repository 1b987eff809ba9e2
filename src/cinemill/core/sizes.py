"""Sizes that encoders take, and what is cut off before."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


def make_even(length: Fraction) -> int:
    """Return the nearest even number of pixels, at least two.

    Color is stored for squares of two by two pixels.
    """
    return max(2, round(length / 2) * 2)


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels at the edges of stored frames that a container says are not to be shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def apply(self, width: int, height: int) -> tuple[int, int]:
        """Return the size that is left; the whole one where nothing would be."""
        kept = width - self.left - self.right, height - self.top - self.bottom
        are_valid = min(self.left, self.top, self.right, self.bottom) >= 0
        return kept if are_valid and min(kept) > 0 else (width, height)


NO_CROP = Crop()
