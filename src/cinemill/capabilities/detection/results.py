"""The result of a detection as a document: plain values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.reasons import Reason


@dataclass(frozen=True, slots=True)
class ReasonResult:
    code: Reason
    sentence: str


@dataclass(frozen=True, slots=True)
class FaceCountsResult:
    """What became of the frames and faces that were examined."""

    frames: int
    frames_without_face: int
    usable: int
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Faces that were found and not scored, by flaw."""


@dataclass(frozen=True, slots=True)
class FaceScoreResult:
    """The score of a face in a frame, with its box in pixels of the video as it is displayed."""

    time_ms: int
    left: float
    top: float
    width: float
    height: float
    band: Band
    score: float | None
    """On the scale of the video's score, 0 to 1; only the video's is calibrated."""
    logit: float | None
    member_logits: Mapping[str, float] = field(default_factory=dict)
    """By each member of the ensemble alone."""


@dataclass(frozen=True, slots=True)
class TrackResult:
    """The scores of one face through one shot."""

    number: int
    start_ms: int
    end_ms: int
    """Of the last sighting."""
    band: Band
    """It never accuses more than the video's does."""
    score: float | None
    faces: tuple[FaceScoreResult, ...]


@dataclass(frozen=True, slots=True)
class RegionResult:
    """A half-open range of time in which a face scores high, and the box around it."""

    track: int
    start_ms: int
    end_ms: int
    left: float
    top: float
    width: float
    height: float
    score: float
    peak_ms: int
    sightings: int


@dataclass(frozen=True, slots=True)
class TrainingDataResult:
    """A source of training data."""

    name: str
    licence: str
    identities: int
    videos: int


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a head was trained, and what was measured on data that was held out."""

    method: str
    datasets: tuple[TrainingDataResult, ...]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MemberResult:
    """A model of the ensemble, and what it says alone."""

    name: str
    weight: float
    is_missing: bool
    head: str = ""
    grade: str = ""
    model: str = ""
    model_revision: str = ""
    preprocessing: str = ""
    digest: str = ""
    """Names the head by its numbers."""
    logit: float | None = None
    distance: float | None = None
    """From the training data: about 1 for data like it."""
    training: TrainingResult | None = None
    """What the head says about its training."""


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """What the verdict's error rates rest on."""

    data: str
    nominal_false_positive_rate: float
    nominal_miss_rate: float
    unmanipulated_videos: int
    unmanipulated_groups: int
    manipulated_videos: int
    manipulated_groups: int
    flag_score: float | None
    """The score over which a video is flagged; None if the calibration is too small for that."""
    clear_score: float | None
    """The score below which no manipulation is found; None if it is too small."""


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """Everything that a detection says about a video."""

    verdict: Band
    score: float | None
    """Calibrated probability of a manipulation, where as many videos are manipulated as are not."""
    confidence: float | None
    """That a decision is right, in the same sense; None for an abstention."""
    reasons: tuple[ReasonResult, ...]
    sentences: tuple[str, ...]
    faces: FaceCountsResult
    tracks: tuple[TrackResult, ...] = ()
    regions: tuple[RegionResult, ...] = ()
    members: tuple[MemberResult, ...] = ()
    weights_from: str = ""
    """``settings``, ``training`` or ``default``."""
    calibration: CalibrationResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document for JSON."""
        return asdict(self)
