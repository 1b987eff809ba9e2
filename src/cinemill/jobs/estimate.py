"""How long it still takes. Pure."""

from __future__ import annotations

LEAST_FRACTION = 0.01
"""Below this an estimate would be noise."""


def estimate_seconds_left(elapsed_seconds: float, fraction: float) -> float | None:
    """Seconds left of work that came to ``fraction`` (0–1) so far; None where unknown."""
    if fraction < LEAST_FRACTION:
        return None
    return max(0.0, elapsed_seconds * (1.0 - fraction) / fraction)
