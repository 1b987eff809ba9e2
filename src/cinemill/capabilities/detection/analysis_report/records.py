"""Everything that the report of one analysis shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cinemill.capabilities.detection.illustrations.records import FacePictures
from cinemill.capabilities.detection.results import DetectionResult
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.core.origin.forensics import ForensicsReport
from cinemill.core.origin.provenance import ProvenanceReport
from cinemill.storage.analyses.records import (
    Analysis,
    FrameScore,
    Metrics,
    Result,
    Review,
    SuspiciousRegion,
)
from cinemill.storage.media.assets import AssetRecord

FORMAT_VERSION = 1
"""Of the report's JSON: it only ever gains members within a version."""


class Part(StrEnum):
    """A list of which a report may show the beginning only."""

    FRAMES = "frames"
    REVIEWS = "reviews"


@dataclass(frozen=True, slots=True)
class AnalysisReport:
    """An analysis that has ended, with all that is stored about it."""

    analysis: Analysis
    created_at: datetime
    """When the report was written."""
    software_version: str
    source_name: str = ""
    """How the request named the video; the only name of a file that was never imported."""
    asset: AssetRecord | None = None
    """None if the video was never imported."""
    result: Result | None = None
    """None if the analysis failed."""
    details: DetectionResult | None = None
    """None also where another version of the software stored the result."""
    metrics: Metrics | None = None
    frames: Sequence[FrameScore] = ()
    regions: Sequence[SuspiciousRegion] = ()
    reviews: Sequence[Review] = ()
    """The audit trail, oldest first."""
    provenance: ProvenanceReport | None = None
    encoding: ForensicsReport | None = None
    pictures: FacePictures | None = None
    shortened: frozenset[Part] = frozenset()
    """Lists of which only the beginning is here."""

    @property
    def band(self) -> Band:
        """Return the model's verdict, which no review changes."""
        return Band(self.analysis.verdict or Band.FAILED)

    @property
    def decision(self) -> Review | None:
        """Return the last review in which a person decided about the video."""
        return next((one for one in reversed(self.reviews) if one.verdict is not None), None)

    @property
    def filename(self) -> str:
        return self.asset.filename if self.asset else self.source_name
