"""Documents of analyses: verdicts, faces, frames, suspicious regions, and reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cinemill.api.models.documents import (
    Document,
    Name,
    OpenObject,
    RequestDocument,
    Timestamp,
    make_link,
)
from cinemill.api.models.jobs import ProgressDocument
from cinemill.api.models.pages import Page
from cinemill.core.job import JobState
from cinemill.storage.analyses.records import (
    Analysis,
    Box,
    FrameScore,
    Metrics,
    Result,
    Review,
    ReviewAction,
    SuspiciousRegion,
)

VerdictName = Literal[
    "likely_manipulated", "no_manipulation_found", "inconclusive", "no_face", "no_model", "failed"
]
PersonVerdict = Literal["likely_manipulated", "no_manipulation_found", "inconclusive", "no_face"]
MOST_OF_A_BATCH = 1000
"""Analyses that one request asks for: they are accepted in one transaction."""


class CreateAnalysisRequest(RequestDocument):
    """An analysis of a stored video."""

    fast: bool = False
    """Examine 8 frames instead of 32."""
    priority: Annotated[int | None, Field(ge=0, le=10)] = None
    """0 to 10, 10 first; null for the usual one."""


class CreateAnalysesRequest(CreateAnalysisRequest):
    """An analysis of each of these stored videos."""

    asset_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_OF_A_BATCH)]


class AnalysisErrorDocument(Document):
    """Why an analysis failed."""

    code: str
    message: str
    hint: str


class AnalysisDocument(Document):
    """An examination of a video for manipulated faces; its id is its job's id."""

    id: str
    asset_id: str | None
    """Null until a video that was named by its path has been imported."""
    status: JobState
    fast: bool
    verdict: VerdictName | None
    """The model's, which no review changes; null until there is one."""
    reviewed_verdict: str | None
    """The verdict of the last person who accepted or overrode the model's."""
    needs_review: bool
    error: AnalysisErrorDocument | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    url: str
    job_url: str

    @classmethod
    def from_record(cls, one: Analysis) -> Self:
        return cls(**cls.read_record(one))

    @staticmethod
    def read_record(one: Analysis) -> dict[str, Any]:
        """Return the members that every document of an analysis has."""
        error = one.error
        return {
            "id": one.id,
            "asset_id": one.asset_id,
            "status": one.state,
            "fast": one.is_fast,
            "verdict": one.verdict,
            "reviewed_verdict": one.reviewed_verdict,
            "needs_review": one.needs_review,
            "error": error
            and AnalysisErrorDocument(code=error.code, message=error.message, hint=error.hint),
            "created_at": one.created_at.isoformat(),
            "started_at": one.started_at.isoformat() if one.started_at else None,
            "finished_at": one.finished_at.isoformat() if one.finished_at else None,
            "url": make_link(f"/analyses/{one.id}"),
            "job_url": make_link(f"/jobs/{one.id}"),
        }


class AnalysisMetrics(Document):
    """What an analysis took."""

    processing_seconds: float
    stage_seconds: dict[str, float]
    frame_count: int
    cache_hit: bool
    """Whether no frame had to be examined, because its features were known."""
    device: str

    @classmethod
    def from_record(cls, one: Metrics) -> Self:
        return cls(
            processing_seconds=one.processing_seconds,
            stage_seconds=dict(one.stage_seconds),
            frame_count=one.frame_count,
            cache_hit=one.cache_hit,
            device=one.device,
        )


class ReasonDocument(Document):
    """Why a verdict has its band."""

    code: str
    sentence: str


class FaceDocument(Document):
    """One face through one shot."""

    number: int
    start_ms: int
    end_ms: int
    """Of the last sighting."""
    verdict: str
    """It never accuses more than the video's does."""
    score: float | None
    sightings: int
    """Frames in which it was examined."""

    @classmethod
    def from_track(cls, *, band: str, faces: Sequence[object], **others: Any) -> Self:
        """Return the document of a track of the stored report."""
        shared = {name: others[name] for name in ("number", "start_ms", "end_ms", "score")}
        return cls(verdict=band, sightings=len(faces), **shared)


class AnalysisDetails(AnalysisDocument):
    """An analysis with everything but its frames and regions, which are lists of their own."""

    score: float | None
    """Calibrated probability of a manipulation, where as many videos are manipulated as are not;
    null where the calibration says nothing about this video."""
    confidence: float | None
    """Probability that a decision is right, in the same sense; null without a decision."""
    reasons: list[ReasonDocument]
    sentences: list[str]
    """What the verdict means, and what it does not."""
    faces: list[FaceDocument]
    members: list[OpenObject]
    """Models of the ensemble, with their weights and what each says alone."""
    calibration: OpenObject | None
    """What the error rates rest on."""
    examined: OpenObject
    """What became of the frames and faces that were looked at."""
    versions: OpenObject
    metrics: AnalysisMetrics | None

    @classmethod
    def from_parts(cls, one: Analysis, result: Result | None, metrics: Metrics | None) -> Self:
        report: dict[str, Any] = dict(result.report) if result else {}
        return cls(
            **cls.read_record(one),
            score=result.score if result else None,
            confidence=metrics.confidence if metrics else None,
            reasons=[ReasonDocument(**reason) for reason in report.get("reasons", ())],
            sentences=list(report.get("sentences", ())),
            faces=[FaceDocument.from_track(**track) for track in report.get("tracks", ())],
            members=list(report.get("members", ())),
            calibration=report.get("calibration"),
            examined=report.get("faces", {}),
            versions=dict(result.versions) if result else {},
            metrics=AnalysisMetrics.from_record(metrics) if metrics else None,
        )


class AnalysisPage(Page):
    """Analyses, newest first."""

    analyses: list[AnalysisDocument]


class AnalysisBatch(Document):
    """New analyses, in the order of the videos that the request names."""

    analyses: list[AnalysisDocument]


class AnalysisEvent(ProgressDocument):
    """A message of an analysis's WebSocket."""

    event_id: str
    """Send it as `last_event_id` to go on after this event. Empty where the event reports the
    present state: there is nothing to resume after."""


class BoxDocument(Document):
    """A rectangle in pixels of the video as it is displayed."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def from_record(cls, box: Box) -> Self:
        return cls(left=box.left, top=box.top, width=box.width, height=box.height)


class FrameScoreDocument(Document):
    """The score of one face in one frame, or why there is none."""

    time_ms: int
    face: int
    """Number of the face; 0 for the frame as a whole."""
    score: float | None
    exclusion: str
    """Why there is no score; empty if there is one."""
    box: BoxDocument | None

    @classmethod
    def from_record(cls, one: FrameScore) -> Self:
        return cls(
            time_ms=one.time_ms,
            face=one.face_number,
            score=one.score,
            exclusion=one.exclusion,
            box=BoxDocument.from_record(one.box) if one.box else None,
        )


class FrameScorePage(Page):
    """Scores by time."""

    frames: list[FrameScoreDocument]


class RegionDocument(Document):
    """A half-open range of time in which one face looks manipulated."""

    start_ms: int
    end_ms: int
    face: int
    score: float
    box: BoxDocument

    @classmethod
    def from_record(cls, one: SuspiciousRegion) -> Self:
        return cls(
            start_ms=one.start_ms,
            end_ms=one.end_ms,
            face=one.face_number,
            score=one.score,
            box=BoxDocument.from_record(one.box),
        )


class RegionPage(Page):
    """Suspicious regions, by time."""

    regions: list[RegionDocument]


class ReviewRequest(RequestDocument):
    """A person's decision about an analysis, or a request for one."""

    action: ReviewAction
    reviewer: Annotated[str, Field(min_length=1, max_length=255)]
    reason: Annotated[str, Field(min_length=1, max_length=4096)]
    verdict: PersonVerdict | None = None
    """The person's own verdict, to override the model's."""
    seen: Annotated[int | None, Field(ge=0)] = None
    """Id of the last review that the person saw, 0 for none: 409 if another was added since."""

    @model_validator(mode="after")
    def _check_verdict(self) -> Self:
        if self.verdict is not None and self.action is not ReviewAction.OVERRIDE:
            raise ValueError("only 'override' takes a verdict: 'accept' keeps the model's")
        return self


class ReviewDocument(Document):
    """An entry of the audit trail, which nothing changes."""

    id: int
    action: ReviewAction
    reviewer: Name
    reason: str
    model_verdict: str
    model_score: float | None
    verdict: str | None
    created_at: Timestamp

    @classmethod
    def from_record(cls, one: Review) -> Self:
        return cls(
            id=one.id,
            action=one.action,
            reviewer=one.reviewer,
            reason=one.reason,
            model_verdict=one.model_verdict,
            model_score=one.model_score,
            verdict=one.verdict,
            created_at=one.created_at.isoformat(),
        )


class ReviewPage(Page):
    """The audit trail of an analysis, oldest first."""

    reviews: list[ReviewDocument]
