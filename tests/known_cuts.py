"""Cuts of the sample videos, as a person sees them.

A plain module for the tests and for the benchmarks.
"""

from __future__ import annotations

CUTS_MS = {
    "bikes": [1200, 3040, 5480, 7480, 9680],
    "shot_change": [3203],
    "face_noface": [2400],
    "noface_face": [3945],
    "obama_speech": [],
    "bigbuckbunny": [],
    "expressive_face": [],
}
TOLERANCE_MS = 45
"""One frame of 25 a second, and rounding."""


def count_found(found: list[int], true: list[int]) -> int:
    """Count true cuts that were found; each finding counts once."""
    left = list(found)
    hits = 0
    for cut in true:
        near = [time for time in left if abs(time - cut) <= TOLERANCE_MS]
        if near:
            left.remove(min(near, key=lambda time: abs(time - cut)))
            hits += 1
    return hits
