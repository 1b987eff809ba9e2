"""What the rows of an analysis hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cinemill.core.documents import JsonObject
from cinemill.core.job import JobState


class Box(NamedTuple):
    """A rectangle in pixels of the frame as it is displayed."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FrameScore:
    """The score of one face in one frame, or why there is none."""

    time_ms: int
    """Milliseconds after the first frame of the video."""
    pts: int
    """Presentation timestamp in the stream's time base."""
    score: float | None
    """0 to 1; None where ``exclusion`` says why the frame was not scored."""
    exclusion: str = ""
    """Code of the reason, such as ``no_face``; empty if and only if there is a score."""
    face_number: int = 0
    """Number of the face's track, from 1; 0 for the frame as a whole."""
    box: Box | None = None
    member_scores: Mapping[str, float] = field(default_factory=dict)
    """The logit of each member of the ensemble, by its name."""


class FramePosition(NamedTuple):
    """The last row of the previous page; lists go on after it."""

    time_ms: int
    position: int


@dataclass(frozen=True, slots=True)
class StoredFrameScore:
    """A row of ``frame_scores``."""

    position: int
    """Place among all rows of the analysis, from 0."""
    frame: FrameScore

    @property
    def place(self) -> FramePosition:
        return FramePosition(self.frame.time_ms, self.position)


@dataclass(frozen=True, slots=True)
class SuspiciousRegion:
    """A time range in which one face looks manipulated, with the box that covers it."""

    start_ms: int
    end_ms: int
    """The range is half-open and never empty."""
    score: float
    box: Box
    face_number: int = 0
    evidence: JsonObject | None = None
    """The map of what in the picture made the difference, if one was computed."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What an analysis took, and how sure it is."""

    processing_seconds: float
    stage_seconds: Mapping[str, float]
    frame_count: int
    """Frames that were examined, scored or not."""
    cache_hit: bool
    confidence: float | None = None
    """0 to 1; None where the verdict is none that one could be confident of."""
    device: str = ""
    """What the models ran on, such as ``cpu`` or ``cuda:0``."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an analysis found, without its frames and regions."""

    verdict: str
    score: float | None
    """0 to 1; None where the verdict is none that has a score."""
    reasons: Sequence[str] = ()
    """Codes, such as ``too_few_faces``."""
    face_count: int = 0
    versions: JsonObject = field(default_factory=dict)
    """Of the models, the preprocessing, the heads and their calibration."""
    report: JsonObject = field(default_factory=dict)
    """Everything else that the printed report shows."""


@dataclass(frozen=True, slots=True)
class AnalysisError:
    """Why an analysis failed."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """A row of ``analyses``. Its id is its job's, and its state is always the job's state."""

    id: str
    asset_id: str | None
    """None until a video that was named by its path has been imported."""
    owner: str
    kind: str
    state: JobState
    is_fast: bool
    step_key: str
    """Of the work that found the result; empty until there is one."""
    verdict: str | None
    """The model's, which no review changes; ``failed`` if the job failed."""
    reviewed_verdict: str | None
    """The verdict of the last person who accepted or overrode the model's."""
    needs_review: bool
    error: AnalysisError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


class ReviewAction(StrEnum):
    """What a person did with a verdict; the words are stored."""

    FLAG = "flag"
    """Put the analysis into the queue, and decided nothing."""
    ACCEPT = "accept"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Review:
    """An entry of the audit trail."""

    id: int
    analysis_id: str
    action: ReviewAction
    reviewer: str
    reason: str
    model_verdict: str
    model_score: float | None
    """The model's verdict and score at that time."""
    verdict: str | None
    """The person's; None for a flag."""
    created_at: datetime
