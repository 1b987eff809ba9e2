"""Whether citations play what they claim to: bounds, times, and the words that are really there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.metrics.records import CitedClaim, Moment
from cinemill.capabilities.search.evaluation.metrics.wording import is_supported


@dataclass(frozen=True, slots=True)
class TimeError:
    """How far a citation is from the evidence, in milliseconds."""

    missed_ms: int
    """How much of the evidence lies before the citation's start or after its end."""
    start_ms: int
    """Between both starts, whichever is first."""


def is_within(citation: Moment, videos: Mapping[str, TrueVideo]) -> bool:
    """Check whether a citation lies in a video that is there, between its first and last frame."""
    video = videos.get(citation.video)
    if video is None:
        return False
    return 0 <= citation.start_ms < citation.end_ms <= video.duration_ms


def measure_time_error(citation: Moment, evidence: Moment) -> TimeError | None:
    """Return how far a citation is from the evidence; None if it cites another video."""
    if citation.video != evidence.video:
        return None
    before = max(0, min(citation.start_ms, evidence.end_ms) - evidence.start_ms)
    after = max(0, evidence.end_ms - max(citation.end_ms, evidence.start_ms))
    return TimeError(
        missed_ms=min(before + after, evidence.length_ms),
        start_ms=abs(citation.start_ms - evidence.start_ms),
    )


def is_claim_supported(claim: CitedClaim, videos: Mapping[str, TrueVideo]) -> bool:
    """Check a claim against what is truly said and shown where it cites.

    A claim without a citation in bounds is not supported.
    """
    cited = [one for one in claim.citations if is_within(one, videos)]
    source = "\n".join(videos[one.video].read_between(one.start_ms, one.end_ms) for one in cited)
    return bool(cited) and is_supported(claim.text, source)
