"""Shapes of what the mill answers. Documents are the JSON as it came, so nothing gets lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

FINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})


class UploadReceipt(TypedDict):
    message: str
    task_id: str
    status: str
    filename: str


class TaskStatus(TypedDict):
    state: Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE"]
    status: str
    """Words for a person."""
    progress: float
    """0–100."""


class TaskResult(TypedDict):
    status: str
    output_filename: str
    message: str


class FailureDocument(TypedDict, total=False):
    code: str
    message: str
    way_on: str
    log_tail: str
    retryable: bool


class JobDocument(TypedDict, total=False):
    """A job; times are ISO 8601 in UTC. ``result`` holds ``artifacts`` and ``stages``."""

    id: str
    kind: str
    owner: str
    state: str
    priority: int
    asset_id: str | None
    params: dict[str, Any]
    clipped: list[str]
    """Members that are left out here: too large for a list, or unreadable."""
    progress: float
    stage: str
    message: str
    result: dict[str, Any] | None
    failure: FailureDocument | None
    cancel_reason: str | None
    worker: str | None
    queued_at: str
    started_at: str | None
    finished_at: str | None
    duration_seconds: float | None
    seconds_left: float | None
    queue_place: int | None
    steps: list[dict[str, Any]]


class DeadDocument(TypedDict, total=False):
    step_id: str
    job_id: str
    job_kind: str
    step_name: str
    owner: str
    attempts: int
    failures: int
    crashes: int
    failure: FailureDocument
    died_at: str


class DeadMessageDocument(TypedDict, total=False):
    id: str
    queue: str
    task: str
    task_id: str
    failure: FailureDocument
    excerpt: str
    size_bytes: int
    received_at: str


class AssetDocument(TypedDict, total=False):
    id: str
    sha256: str
    size_bytes: int
    filename: str
    owner: str
    media: dict[str, Any] | None
    artifacts: list[dict[str, Any]]
    created_at: str


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened to a job, as its watchers are told."""

    id: str
    """Of the event, for resuming; empty where the event was made up from the job's status."""
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
    def from_json(cls, event_id: str, document: Mapping[str, Any]) -> ProgressEvent:
        """Reads a progress document; also a job's, whose ``state`` is the ``status``."""
        return cls(
            id=event_id,
            status=str(document.get("status") or document.get("state") or "pending"),
            progress=float(document.get("progress") or 0),
            message=str(document.get("message") or ""),
            stage=str(document.get("stage") or ""),
            seconds_left=_number(document.get("seconds_left")),
            queue_place=int(document["queue_place"]) if _has(document, "queue_place") else None,
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


def _has(document: Mapping[str, Any], key: str) -> bool:
    return isinstance(document.get(key), int)
