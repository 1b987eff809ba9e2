"""Documents of jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from cinemill.api.models.documents import (
    Document,
    Name,
    OpenObject,
    RequestDocument,
    Timestamp,
    make_link,
)
from cinemill.api.models.pages import Page
from cinemill.core.documents import JsonObject
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY, Job
from cinemill.core.text.storable_text import Text
from cinemill.jobs.job_document import describe_job

MAX_KEY_LENGTH = 255
"""Characters of an idempotency key."""

JobStatusWord = Literal["pending", "running", "completed", "failed", "cancelled"]


class CreateJobRequest(RequestDocument):
    """A new job. Without an asset in the path, its parameters name its videos, as a render's do."""

    kind: Name
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int | None, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)] = None
    """Priority from 0 to 10; 10 runs first. Null takes that of the job's queue."""


class CancelRequest(RequestDocument):
    """Why a job is cancelled."""

    reason: Annotated[Text, Field(max_length=500)] = ""


class RetryRequest(RequestDocument):
    """Which failed jobs to retry; without filters, all of them."""

    kind: Name | None = None
    code: Name | None = None


class RetryResult(Document):
    """How many jobs were retried."""

    retried: int


class ErrorDocument(Document):
    """Why a job, a step or a message failed."""

    code: str
    message: str
    hint: str
    log_tail: str
    """The last lines of the command, where one was run."""
    retryable: bool
    """Whether the same work may succeed at another time."""


class StepDocument(Document):
    """One step of a job."""

    id: str
    name: str
    kind: str
    queue: str
    status: str
    """waiting, queued, running, succeeded, dead or cancelled."""
    attempts: int
    failures: int
    crashes: int
    peak_memory_bytes: int | None
    """Most memory that an attempt took; null before one has ended."""
    error: ErrorDocument | None

    @classmethod
    def from_description(cls, described: JsonObject) -> Self:
        """Return the document of a step that the job service has described."""
        return cls.model_validate({"id": described["step_id"], **described})


class JobDocument(Document):
    """A job, as lists show it."""

    id: str
    kind: str
    owner: str
    status: JobStatusWord
    priority: int
    asset_id: str | None
    filename: str
    """The name that the video was submitted with; empty where the job names a stored one."""
    params: OpenObject
    progress: float
    """Percent, 0 to 100."""
    stage: str
    message: str
    result: OpenObject | None
    clipped: list[str]
    """Members that were left out: too large for a list, or unreadable."""
    error: ErrorDocument | None
    cancel_requested: bool
    cancel_reason: str | None
    worker: str | None
    queued_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    duration_seconds: float | None
    seconds_left: float | None

    @classmethod
    def from_job(cls, job: Job) -> Self:
        return cls.from_description(describe_job(job))

    @classmethod
    def from_description(cls, described: JsonObject) -> Self:
        """Return the document of a job that the job service has described."""
        return cls.model_validate({"id": described["job_id"], **described})

    @property
    def address(self) -> str:
        return make_link(f"/jobs/{self.id}")

    def shorten_lists(self, items: int) -> Self:
        """Return the document with at most so many items of each list in params and result."""
        cut = {name: _shorten(getattr(self, name), items) for name in ("params", "result")}
        return self.model_copy(update=cut)


class JobDetails(JobDocument):
    """A job, by itself."""

    celery_task_id: str
    """The id under which Celery's own tools know the job."""


class JobStatus(JobDetails):
    """A job with its steps and its position in the queue."""

    queue_place: int | None
    """How many runs are ahead of it; null unless it waits in a queue."""
    steps: list[StepDocument]

    @classmethod
    def from_description(cls, described: JsonObject) -> Self:
        steps: Any = described["steps"]
        named = [{"id": step["step_id"], **step} for step in steps]
        return super().from_description({**described, "steps": named})


class JobPage(Page):
    """Jobs, newest first."""

    jobs: list[JobDocument]


class StepPage(Page):
    """Steps of a job, in the order of its plan."""

    steps: list[StepDocument]


class ProgressDocument(Document):
    """The data of a job's `progress` event."""

    job_id: str
    status: JobStatusWord
    progress: float
    message: str
    stage: str
    seconds_left: float | None = None
    queue_place: int | None = None


def _shorten(value: Any, items: int) -> Any:
    if isinstance(value, dict):
        return {name: _shorten(one, items) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shorten(one, items) for one in value[:items]]
    return value
