"""Numbers with their nouns. It imports nothing: reports are written by processes without NumPy."""

from __future__ import annotations


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, in the plural except for one: 1 video, 1,200 videos."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def count_people(groups: int) -> str:
    """Return how many people a calibration or an evaluation counts; footage without one counts."""
    return count(groups, "person or source", "people or sources")
