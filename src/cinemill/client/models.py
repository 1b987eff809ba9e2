"""Shapes of the server's documents, which are the JSON as received, so that nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from cinemill.core.documents import JsonObject

FINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})


class TaskStatus(TypedDict):
    state: Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE"]
    status: str
    """A message for a person."""
    progress: float
    """0–100."""


class TaskResult(TypedDict):
    status: str
    output_filename: str
    message: str


class ErrorDocument(TypedDict, total=False):
    code: str
    message: str
    hint: str
    log_tail: str
    retryable: bool


class StepDocument(TypedDict, total=False):
    id: str
    name: str
    kind: str
    queue: str
    status: str
    attempts: int
    failures: int
    crashes: int
    peak_memory_bytes: int | None
    error: ErrorDocument | None


class JobDocument(TypedDict, total=False):
    """A job; times are ISO 8601 in UTC. ``result`` holds ``artifacts`` and ``stages``."""

    id: str
    kind: str
    owner: str
    status: str
    priority: int
    asset_id: str | None
    filename: str
    params: dict[str, Any]
    clipped: list[str]
    """Members that are left out here: too large for a list, or unreadable."""
    progress: float
    stage: str
    message: str
    result: dict[str, Any] | None
    error: ErrorDocument | None
    cancel_requested: bool
    cancel_reason: str | None
    worker: str | None
    queued_at: str
    started_at: str | None
    finished_at: str | None
    duration_seconds: float | None
    seconds_left: float | None
    celery_task_id: str
    """Of one job by itself; absent in lists."""
    queue_place: int | None
    steps: list[StepDocument]


class DeadDocument(TypedDict, total=False):
    id: str
    job_id: str
    job_kind: str
    step_name: str
    owner: str
    attempts: int
    failures: int
    crashes: int
    error: ErrorDocument
    died_at: str


class DeadMessageDocument(TypedDict, total=False):
    id: str
    queue: str
    task: str
    task_id: str
    error: ErrorDocument
    excerpt: str
    size_bytes: int
    received_at: str


class FileFacts(TypedDict, total=False):
    """What is known of a file; which members there are depends on its kind."""

    width: int
    height: int
    fps: str
    duration_seconds: float
    frames: int
    tiles: int
    sample_rate_hz: int
    vmaf: float
    changes: list[str]


class ArtifactDocument(TypedDict, total=False):
    kind: str
    variant: str
    sha256: str
    size_bytes: int
    filename: str
    media_type: str
    url: str
    facts: FileFacts


class AssetDocument(TypedDict, total=False):
    id: str
    sha256: str
    size_bytes: int
    filename: str
    other_names: list[str]
    owner: str
    collection: str
    media: dict[str, Any] | None
    artifacts: list[ArtifactDocument]
    created_at: str
    source_url: str
    deleted_in_seconds: float | None


class AnalysisErrorDocument(TypedDict, total=False):
    code: str
    message: str
    hint: str


class AnalysisDocument(TypedDict, total=False):
    """An examination of a video for manipulated faces; its id is its job's id."""

    id: str
    asset_id: str | None
    status: str
    """As of a job: pending, running, completed, failed or cancelled."""
    fast: bool
    verdict: str | None
    """likely_manipulated, no_manipulation_found, inconclusive, no_face, no_model or failed: the
    model's, which no review changes; None until there is one."""
    reviewed_verdict: str | None
    needs_review: bool
    error: AnalysisErrorDocument | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    url: str
    job_url: str


class ReasonDocument(TypedDict, total=False):
    code: str
    sentence: str


class FaceDocument(TypedDict, total=False):
    """One face through one shot."""

    number: int
    start_ms: int
    end_ms: int
    verdict: str
    score: float | None
    sightings: int


class AnalysisMetrics(TypedDict, total=False):
    processing_seconds: float
    stage_seconds: dict[str, float]
    frame_count: int
    cache_hit: bool
    device: str


class AnalysisDetails(AnalysisDocument, total=False):
    """An analysis by itself; frames and regions are lists of their own."""

    score: float | None
    """Calibrated probability of a manipulation, 0 to 1; None where calibration says nothing."""
    confidence: float | None
    reasons: list[ReasonDocument]
    sentences: list[str]
    faces: list[FaceDocument]
    members: list[dict[str, Any]]
    calibration: dict[str, Any] | None
    examined: dict[str, Any]
    versions: dict[str, Any]
    metrics: AnalysisMetrics | None


class BoxDocument(TypedDict):
    """A rectangle in pixels of the video as it is displayed."""

    left: float
    top: float
    width: float
    height: float


class FrameScoreDocument(TypedDict, total=False):
    time_ms: int
    face: int
    """Number of the face; 0 for the frame as a whole."""
    score: float | None
    exclusion: str
    """Why there is no score; empty if there is one."""
    box: BoxDocument | None


class RegionDocument(TypedDict, total=False):
    start_ms: int
    end_ms: int
    face: int
    score: float
    box: BoxDocument


class ReviewDocument(TypedDict, total=False):
    id: int
    action: str
    """accept, override or flag."""
    reviewer: str
    reason: str
    model_verdict: str
    model_score: float | None
    verdict: str | None
    created_at: str


class HealthDocument(TypedDict, total=False):
    status: str
    version: str
    database: str
    redis: str
    messages: str
    workers: str
    relay: str


class HardwareDocument(TypedDict, total=False):
    node: str
    codec: str
    encoder: str
    status: str
    reason: str
    rests_seconds: float


class WorkerDocument(TypedDict, total=False):
    name: str
    host: str
    queues: list[str]
    slots: int
    busy: int
    memory_bytes: int | None


class QueueCounts(TypedDict, total=False):
    by_status: dict[str, int]
    by_type: dict[str, int]
    by_queue: dict[str, int]
    total: int


class OutcomeStatistics(TypedDict, total=False):
    completed: int
    failed: int
    cancelled: int
    completion_rate: float | None
    failures: dict[str, int]


class ClockDocument(TypedDict, total=False):
    jumps: int
    jump_seconds: float
    jumped_at: str


class StatsDocument(TypedDict, total=False):
    queue: QueueCounts
    outcomes: dict[str, OutcomeStatistics]
    processing_times: dict[str, dict[str, float]]
    memory: dict[str, dict[str, float]]
    stuck: list[JobDocument]
    hardware: list[HardwareDocument]
    workers: list[WorkerDocument] | None
    clock: ClockDocument | None


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened to a job."""

    id: str
    """Of the event, for resuming; empty where the event was derived from the job's status."""
    status: str
    """pending, running, completed, failed or cancelled."""
    progress: float
    """0–100."""
    message: str
    stage: str
    seconds_left: float | None
    queue_place: int | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @classmethod
    def from_json(cls, event_id: str, document: JsonObject) -> ProgressEvent:
        """Return the event that a progress document, or a job's document, describes."""
        place = document.get("queue_place")
        return cls(
            id=event_id,
            status=str(document.get("status") or "pending"),
            progress=_number(document.get("progress")) or 0.0,
            message=str(document.get("message") or ""),
            stage=str(document.get("stage") or ""),
            seconds_left=_number(document.get("seconds_left")),
            queue_place=place if isinstance(place, int) else None,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "progress": self.progress,
            "message": self.message,
            "stage": self.stage,
            "seconds_left": self.seconds_left,
            "queue_place": self.queue_place,
        }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
