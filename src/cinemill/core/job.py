"""A request and its attempts: Job ⊃ Steps (a DAG) ⊃ Runs (attempts).

Also which state may follow which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cinemill.core.documents import quote
from cinemill.errors import InputRejected, clip_tail, clip_text

LONGEST_CODE = 100
LOWEST_PRIORITY = 0
HIGHEST_PRIORITY = 10
DEFAULT_PRIORITY = 5
DEFAULT_OWNER = "local"
"""The owner of everything that comes through the API, the command line or Celery.

One installation has one user: those who have its token, or can write to its broker.
"""


def read_priority(value: object) -> int:
    """Return a priority, 0–10, 10 first. Raises InputRejected (``priority_invalid``)."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise InputRejected(
        f"priority must be a whole number from 0 to 10, not {quote(value)}.",
        code="priority_invalid",
    )


class JobState(StrEnum):
    """The user's view; the words are a public contract."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL_JOB_STATES


FINAL_JOB_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class StepState(StrEnum):
    WAITING = "waiting"
    """On other steps (``deps_remaining`` > 0)."""
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    """Retries exhausted, or rejected. Waits for a person: redrive or leave."""
    CANCELLED = "cancelled"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The handler raised; the step is retried later."""
    CRASHED = "crashed"
    """The lease ran out: the worker died, froze or was cut off."""
    REJECTED = "rejected"
    """The input can never work; no retry."""
    RETURNED = "returned"
    """Handed back by a worker that was asked to stop; counts against nobody."""
    CANCELLED = "cancelled"


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(FINAL_JOB_STATES | {JobState.PENDING}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset({JobState.PENDING}),
    JobState.CANCELLED: frozenset({JobState.PENDING}),
}
"""A final job leaves its state by a retry only; a completed one never does."""


def may_become(current: JobState, following: JobState) -> bool:
    return following in JOB_TRANSITIONS[current]


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as planned, before it has a row. ``after`` names the steps that must succeed first."""

    name: str
    """Unique within the job, e.g. ``prepare``, ``chunk-003``."""
    kind: str
    """Chooses the handler and the row in ``jobs.catalog`` (queue, limits, attempts)."""
    params: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    hardware: str | None = None
    """The video codec, where a worker that encodes it in hardware is requested."""


FORMER_HINT = "way_on"
"""The name of ``hint`` in what earlier versions stored in PostgreSQL and in Redis."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something ended badly, for programs (``code``) and for people."""

    code: str
    message: str
    hint: str = ""
    log_tail: str = ""
    """The command's last lines, where a command was run."""
    retryable: bool = True
    """Whether the same work may succeed at another time; see ``CinemillError.is_retryable``."""

    def __post_init__(self) -> None:
        """Whatever it was made of, it fits into a row, a page and an event."""
        for name, text in (
            ("code", clip_text(self.code, LONGEST_CODE)),
            ("message", clip_text(self.message)),
            ("hint", clip_text(self.hint)),
            ("log_tail", clip_tail(self.log_tail)),
        ):
            object.__setattr__(self, name, text)

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "log_tail": self.log_tail,
            "retryable": self.retryable,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One request of one user. Times are UTC."""

    id: str
    kind: str
    owner: str
    state: JobState
    priority: int
    asset_id: str | None
    params: Mapping[str, Any]
    progress: float
    """0–100."""
    stage: str
    message: str
    result: Mapping[str, Any] | None
    failure: Failure | None
    cancel_reason: str | None
    cancel_requested: bool
    celery_task_id: str
    """What Celery's own tools know the job by; equals ``id``."""
    worker: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    clipped: tuple[str, ...] = ()
    """Members that are too large for a list of jobs, or that cannot be read, and were left out."""
    filename: str = ""
    """The name that the video was submitted with; empty where the job names an asset."""
    seconds_left: float | None = None
    """Until it is expected to end, when it was read; None where that is unknown."""

    @property
    def duration_seconds(self) -> float | None:
        """From start to end; None while it has not ended or never started."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Step:
    id: str
    job_id: str
    name: str
    kind: str
    queue: str
    state: StepState
    failures: int
    crashes: int
    attempts: int
    result: Mapping[str, Any] | None
    failure: Failure | None
    peak_memory_bytes: int | None = None
    """The largest peak memory of its attempts; None before one has ended by itself."""


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """What a worker needs to work: the claim's token fences every write that follows."""

    id: str
    token: str
    job_id: str
    job_kind: str
    step_id: str
    step_name: str
    step_kind: str
    owner: str
    asset_id: str | None
    attempt: int
    params: Mapping[str, Any]
    job_params: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    """Results of the steps that this one came after, by step name."""
    progress_base: float = 0.0
    """Percent of the job when this step was claimed."""
    progress_share: float = 100.0
    """Percent of the job that what is left of this step is worth."""
    peak_memory_bytes: int | None = None
    """The peak memory of the attempt; reported at its end."""
    filename: str = ""
    """The name that the job's video was submitted with; empty where the job names an asset."""
    fraction_kept: float = 0.0
    """How much of the step (0–1) an attempt that only waited for something has left done."""
    seconds_kept: float = 0.0
    """That the step took until then."""
    seconds: float = 0.0
    """That the step took, those before included; reported at the attempt's end."""
    seconds_left: float | None = None
    """Until the job is expected to end, when this step was claimed; None where that is unknown."""
    time_limit_seconds: float | None = None
    """How long each step may work, where the call that made the job said so."""


@dataclass(frozen=True, slots=True)
class DeadStep:
    """A row of the dead-letter view."""

    step_id: str
    job_id: str
    job_kind: str
    step_name: str
    owner: str
    attempts: int
    failures: int
    crashes: int
    failure: Failure
    died_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher receives. ``status`` is pending, running, completed, failed or cancelled."""

    job_id: str
    job_kind: str
    status: str
    progress: float
    message: str
    stage: str = ""
    seconds_left: float | None = None
    queue_place: int | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "task_id": self.job_id,
            "status": self.status,
            "progress": round(self.progress, 1),
            "message": clip_text(self.message),
            "stage": clip_text(self.stage),
        }
        if self.seconds_left is not None:
            document["seconds_left"] = round(self.seconds_left, 1)
        if self.queue_place is not None:
            document["queue_place"] = self.queue_place
        return document
