"""The report of an analysis as JSON: everything that is stored about it, in one document."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from cinemill.api.models.analyses import (
    AnalysisDetails,
    FrameScoreDocument,
    RegionDocument,
    ReviewDocument,
)
from cinemill.api.models.documents import Document, OpenObject, Timestamp
from cinemill.capabilities.detection.analysis_report.records import FORMAT_VERSION, AnalysisReport
from cinemill.capabilities.detection.analysis_report.statements import (
    HEADINGS,
    NO_ENCODING,
    NO_PROVENANCE,
    SEPARATE,
    list_limits,
    list_meanings,
    list_misreadings,
)
from cinemill.capabilities.detection.illustrations.records import FacePicture
from cinemill.storage.analyses.records import FrameScore, SuspiciousRegion
from cinemill.storage.media.assets import AssetRecord


class ReportFile(Document):
    """The video that was examined."""

    asset_id: str
    name: str
    sha256: str
    """Of its bytes as they came in, in lower-case hex."""
    size_bytes: int
    media: OpenObject | None
    """Container and streams as they were probed."""
    added_at: Timestamp

    @classmethod
    def from_record(cls, asset: AssetRecord) -> Self:
        return cls(
            asset_id=asset.id,
            name=asset.filename,
            sha256=asset.sha256,
            size_bytes=asset.size_bytes,
            media=asset.media.to_json() if asset.media else None,
            added_at=asset.created_at.isoformat(),
        )


class ReportStatement(Document):
    """The verdict in sentences."""

    heading: str
    means: list[str]
    """The verdict, its reasons, and what its error rate means."""
    does_not_mean: list[str]
    limits: list[str]
    """What a reader must know before relying on the report."""


class ReportRegion(RegionDocument):
    """A suspicious region, with what its score depends on."""

    evidence: OpenObject | None = None
    """How much the score of the highest face falls if a part of it is covered: `time_ms`, and
    `cells`, rows of logits from the top. Null where no map was computed."""

    @classmethod
    def from_record(cls, one: SuspiciousRegion) -> Self:
        plain = RegionDocument.from_record(one)
        evidence: OpenObject | None = {**one.evidence} if one.evidence else None
        return cls(**plain.model_dump(), evidence=evidence)


class ReportFrame(FrameScoreDocument):
    """The score of one face in one frame, with its exact time."""

    pts: int
    """Presentation timestamp in the time base of the video's stream."""
    members: dict[str, float]
    """Logits of the members of the ensemble, where the face was scored."""

    @classmethod
    def from_record(cls, one: FrameScore) -> Self:
        plain = FrameScoreDocument.from_record(one)
        return cls(**plain.model_dump(), pts=one.pts, members=dict(one.member_scores))


class ReportPicture(Document):
    """A face at a moment, cut out as the models see it."""

    face: int
    time_ms: int
    score: float | None
    media_type: str
    data: str
    """In base64."""

    @classmethod
    def from_record(cls, one: FacePicture) -> Self:
        return cls(
            face=one.face_number,
            time_ms=one.time_ms,
            score=one.score,
            media_type="image/jpeg",
            data=one.jpeg,
        )


class ReportAside(Document):
    """What was observed in the file. No part of it enters the score or the verdict."""

    statement: str = SEPARATE
    provenance: OpenObject | None
    """Content credentials (C2PA) as they were read when the file came in."""
    provenance_sentences: list[str]
    encoding: OpenObject | None
    """Traces of encoding, cutting and joining."""
    encoding_sentences: list[str]

    @classmethod
    def from_report(cls, report: AnalysisReport) -> Self:
        provenance, encoding = report.provenance, report.encoding
        return cls(
            provenance=provenance.to_json() if provenance else None,
            provenance_sentences=provenance.list_sentences() if provenance else [NO_PROVENANCE],
            encoding=encoding.to_json() if encoding else None,
            encoding_sentences=[one.sentence for one in encoding.findings]
            if encoding
            else [NO_ENCODING],
        )


class AnalysisReportDocument(Document):
    """Everything that is stored about an analysis that has ended."""

    format_version: int = FORMAT_VERSION
    """A version only ever gains members."""
    created_at: Timestamp
    """When the report was written."""
    software: OpenObject
    source_name: str
    """The path or the id of an asset that the request named, if any."""
    file: ReportFile | None
    """Null if the video was never imported."""
    statement: ReportStatement
    analysis: AnalysisDetails
    """Verdict, reasons, faces, models with their training data, calibration, versions, and what it
    took."""
    frames: list[ReportFrame]
    """In order of time."""
    regions: list[ReportRegion]
    pictures: list[ReportPicture]
    aside: ReportAside
    reviews: list[ReviewDocument]
    """The audit trail, oldest first."""
    shortened: list[str] = Field(default_factory=list)
    """Lists of which the report holds a part only: `frames` the first 2000, `reviews` the last
    500."""

    @classmethod
    def from_report(cls, report: AnalysisReport) -> Self:
        pictures: Any = report.pictures.pictures if report.pictures else ()
        return cls(
            created_at=report.created_at.isoformat(),
            software={"name": "Cinemill", "version": report.software_version},
            source_name=report.source_name,
            file=ReportFile.from_record(report.asset) if report.asset else None,
            statement=ReportStatement(
                heading=HEADINGS[report.band],
                means=list_meanings(report),
                does_not_mean=list_misreadings(report),
                limits=list_limits(report),
            ),
            analysis=AnalysisDetails.from_parts(report.analysis, report.result, report.metrics),
            frames=[ReportFrame.from_record(one) for one in report.frames],
            regions=[ReportRegion.from_record(one) for one in report.regions],
            pictures=[ReportPicture.from_record(one) for one in pictures],
            aside=ReportAside.from_report(report),
            reviews=[ReviewDocument.from_record(one) for one in report.reviews],
            shortened=sorted(part.value for part in report.shortened),
        )
