"""Documents for operators: health, logs, statistics, and what a bug report should carry."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from cinemill.api.models.documents import Document, OpenObject
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.pages import Page
from cinemill.core.hardware import Offer
from cinemill.storage.clock import ClockJump
from cinemill.storage.metrics.live_workers import LiveWorker


class HealthDocument(Document):
    """Whether the components respond."""

    status: Literal["ok", "degraded", "down"]
    database: str
    redis: str
    hardware: str
    messages: str
    workers: str
    """`ok`, `none`, `incomplete` (none for a queue), `starting` (by `cinemill up`) or `unknown`."""
    relay: str
    """`ok`, `none`, `starting` or `unknown`: what hands work out, a part of `cinemill beat`."""
    version: str
    qdrant: str | None = None
    """`ok`, `filling`, `behind`, `unavailable`, or `unknown` where the database does not respond;
    absent where `CINEMILL_QDRANT_URL` is not set."""
    capabilities: str | None = None
    """`left_out` where a package's capability cannot be used; otherwise absent."""
    sandbox: str | None = None
    """`off` where videos are decoded outside of bubblewrap, because it does not work on the API's
    machine or CINEMILL_SANDBOX is off; otherwise absent."""


class LogPage(Page):
    """Lines of the log files, oldest first. The next page has older lines."""

    folder: str
    lines: list[OpenObject]


class DiskDocument(Document):
    """The disk that holds the files."""

    files: str
    free_bytes: int


class ProcessDocument(Document):
    """The API process."""

    pid: int
    cpus: int | None
    """That it may use; a container may limit it."""


class SettingDocument(Document):
    """A setting; secrets are masked."""

    name: str
    value: str
    source: str


class CapabilityDocument(Document):
    """What the server offers."""

    name: str
    package: str | None
    """Null where it is built in."""


class LeftOutDocument(Document):
    """A package's capability that cannot be used."""

    package: str
    reason: str
    hint: str


class QueueCounts(Document):
    """Numbers of jobs, and of runs that wait in each queue."""

    by_status: dict[str, int]
    by_type: dict[str, int]
    by_queue: dict[str, int]
    total: int


class QueueError(Document):
    """Why the numbers could not be read."""

    error: str


class DebugDocument(Document):
    """What a bug report should carry."""

    version: str
    python: str
    platform: str
    libraries: dict[str, str]
    process: ProcessDocument
    disk: DiskDocument
    settings: list[SettingDocument]
    queue: QueueCounts | QueueError
    capabilities: list[CapabilityDocument]
    left_out: list[LeftOutDocument]


class DurationStatistics(Document):
    """Seconds from start to end of completed jobs of one kind."""

    count: int
    average_seconds: float | None
    p50_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None


class MemoryStatistics(Document):
    """Peak memory of attempts of one kind of step, over the last days."""

    count: int
    p50_bytes: float | None
    max_bytes: int | None


class OutcomeStatistics(Document):
    """How jobs of one kind ended in the last seven days."""

    completed: int
    failed: int
    cancelled: int
    completion_rate: float | None
    """0 to 1: the share of the completed among those that were not cancelled; null if none were."""
    failures: dict[str, int]
    """Counts of the failed by their error code, the most frequent first."""


class HardwareDocument(Document):
    """One hardware encoder of one worker."""

    node: str
    encoder: str
    codec: str
    status: Literal["serving", "resting"]
    rests_seconds: float | None
    """Seconds until it is tested again; null while it is in service."""
    reason: str

    @classmethod
    def from_offer(cls, offer: Offer) -> Self:
        values = offer.to_json()
        return cls(status=values.pop("state"), **values)


class ClockDocument(Document):
    """The last time that the clock of the database's machine was set, as far as it was noticed."""

    jumps: int
    """How often it was set in all."""
    jump_seconds: float
    """How far it was set forward; negative where it was set back."""
    jumped_at: datetime
    """What it showed afterwards."""

    @classmethod
    def from_jump(cls, jump: ClockJump) -> Self:
        return cls(jumps=jump.jumps, jump_seconds=jump.seconds, jumped_at=jump.at)


class WorkerDocument(Document):
    """One live worker, as it described itself within the last 30 seconds."""

    name: str
    """Celery's name of it."""
    host: str
    queues: list[str]
    slots: int
    """Tasks that it works on at a time."""
    busy: int
    """Tasks that it works on now."""
    memory_bytes: int | None
    """Resident memory of all its processes and of the commands that they run; memory that several
    of them share is counted for each. Null if it does not report it."""

    @classmethod
    def from_worker(cls, worker: LiveWorker) -> Self:
        return cls(
            name=worker.node,
            host=worker.host,
            queues=list(worker.queues),
            slots=worker.slots,
            busy=worker.busy,
            memory_bytes=worker.memory_bytes,
        )


class StatsDocument(Document):
    """Counts, outcomes, times, memory, jobs that take suspiciously long, workers, encoders."""

    queue: QueueCounts
    outcomes: dict[str, OutcomeStatistics]
    processing_times: dict[str, DurationStatistics]
    memory: dict[str, MemoryStatistics]
    stuck: list[JobDocument]
    hardware: list[HardwareDocument]
    workers: list[WorkerDocument] | None
    """Null if Redis does not respond, where workers report."""
    clock: ClockDocument | None = None
    """Null while the database's clock was never set."""
