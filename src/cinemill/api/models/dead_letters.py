"""Documents of steps that failed for good, and of messages that became no job."""

from __future__ import annotations

from typing import Self

from cinemill.api.models.documents import Document, Timestamp
from cinemill.api.models.jobs import ErrorDocument
from cinemill.api.models.pages import Page
from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import DeadStep


class DeadStepDocument(Document):
    """A step that was rejected or used up its retries."""

    id: str
    job_id: str
    job_kind: str
    step_name: str
    owner: str
    attempts: int
    failures: int
    crashes: int
    error: ErrorDocument
    died_at: Timestamp

    @classmethod
    def from_step(cls, dead: DeadStep) -> Self:
        return cls(
            id=dead.step_id,
            job_id=dead.job_id,
            job_kind=dead.job_kind,
            step_name=dead.step_name,
            owner=dead.owner,
            attempts=dead.attempts,
            failures=dead.failures,
            crashes=dead.crashes,
            error=ErrorDocument(**dead.failure.to_json()),
            died_at=dead.died_at.isoformat(),
        )


class DeadStepPage(Page):
    """Dead steps, latest first."""

    dead: list[DeadStepDocument]


class DeadMessageDocument(Document):
    """A message to the workers that became no job; only its beginning is stored."""

    id: str
    queue: str
    task: str
    """The task that it names; empty where it names none."""
    task_id: str
    """The id that its sender gave the task."""
    error: ErrorDocument
    excerpt: str
    size_bytes: int
    received_at: Timestamp

    @classmethod
    def from_message(cls, message: DeadMessage) -> Self:
        values = message.to_json()
        return cls(error=values.pop("failure"), **values)


class DeadMessagePage(Page):
    """Dead messages, latest first."""

    messages: list[DeadMessageDocument]
