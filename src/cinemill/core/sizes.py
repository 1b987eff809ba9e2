"""Sizes that encoders take."""

from __future__ import annotations

from fractions import Fraction


def make_even(length: Fraction) -> int:
    """The nearest even number of pixels, at least two: colour is kept for squares of two."""
    return max(2, round(length / 2) * 2)
