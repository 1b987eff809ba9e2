"""Results of the steps of captioning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cinemill.jobs.results import ResultOf, Seconds


@dataclass(frozen=True, slots=True)
class TranscribeResult:
    """A transcript in the database."""

    asset_id: str
    transcript_id: str
    """Empty where a person has written what is said, and no model was ever asked."""
    language: str
    model: str
    stages: Mapping[str, float | None] = field(default_factory=dict)
    """Seconds by previous step."""
    reused: bool = False
    seconds: Seconds = None


TRANSCRIBE = ResultOf("transcribe", TranscribeResult)
