"""Sizes that encoders take."""

from __future__ import annotations

from fractions import Fraction


def make_even(length: Fraction) -> int:
    """Return the nearest even number of pixels, at least two.

    Color is stored for squares of two by two pixels.
    """
    return max(2, round(length / 2) * 2)
