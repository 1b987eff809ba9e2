"""Moments that were found by what they show."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MOMENTS, MOST_MOMENTS = 20, 200
"""That a search by pictures returns."""


@dataclass(frozen=True, slots=True)
class SimilarMoment:
    """A range of a video with the picture that stands for it."""

    asset_id: str
    passage_id: str
    start_ms: int
    end_ms: int
    frame_ms: int
    """When the picture is shown."""
    score: float
    """Cosine, −1 to 1; comparable within one search only."""
