"""A message of the broker that became no job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from cinemill.core.documents import JsonObject
from cinemill.core.job import FORMER_HINT, Failure
from cinemill.errors import clip_text

LONGEST_NAME = 255
"""Characters of an id, a queue or a task."""
LONGEST_EXCERPT = 1000
LARGEST_SIZE_BYTES = 2**63 - 1
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(days=1)
"""How far another machine's clock may be ahead of ours."""


_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """Put aside with the reason; only its beginning is kept."""

    id: str
    queue: str
    task: str
    """The task that it names; empty where it names none."""
    task_id: str
    failure: Failure
    excerpt: str
    size_bytes: int
    received_at: datetime
    followers: Mapping[str, str] = field(default_factory=dict)
    """Kinds of the jobs that were to follow it, by id: they never will."""

    def __post_init__(self) -> None:
        """Whatever it was made of, it fits into a row and a page."""
        for name in ("id", "queue", "task", "task_id"):
            object.__setattr__(self, name, clip_text(getattr(self, name), LONGEST_NAME))
        object.__setattr__(self, "excerpt", clip_text(self.excerpt, LONGEST_EXCERPT))
        size_bytes = min(max(self.size_bytes, 0), LARGEST_SIZE_BYTES)
        object.__setattr__(self, "size_bytes", size_bytes)

    @classmethod
    def make(
        cls,
        *,
        queue: str,
        failure: Failure,
        excerpt: str,
        size_bytes: int,
        task: str = "",
        task_id: str = "",
        followers: Mapping[str, str] | None = None,
    ) -> DeadMessage:
        """Return a message that was received now."""
        now = datetime.now(UTC)
        return cls(
            str(uuid4()),
            queue,
            task,
            task_id,
            failure,
            excerpt,
            size_bytes,
            received_at=now,
            followers=followers or {},
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; ``received_at`` in ISO 8601, UTC."""
        values = {**asdict(self), "received_at": self.received_at.isoformat()}
        if not self.followers:  # only until the relay has moved it
            del values["followers"]
        return values


def read_dead_message(text: str | bytes) -> DeadMessage:
    """Read a message that was written as JSON. An implausible time becomes now.

    Raises ValueError, TypeError, RecursionError for anything else.
    """
    values = _check_type(json.loads(text), dict)
    names = ("id", "queue", "task", "task_id", "excerpt")
    return DeadMessage(
        **{name: _check_type(values.get(name), str) for name in names},
        failure=_read_failure(_check_type(values.get("failure"), dict)),
        size_bytes=_check_type(values.get("size_bytes"), int),
        received_at=_read_time(values.get("received_at")),
        followers=_read_followers(values.get("followers")),
    )


def _check_type(value: Any, kind: type[_Kind]) -> _Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _read_failure(values: JsonObject) -> Failure:
    code, message = (_check_type(values.get(name), str) for name in ("code", "message"))
    hint = _check_type(values.get("hint", values.get(FORMER_HINT, "")), str)
    log_tail = _check_type(values.get("log_tail", ""), str)
    return Failure(code, message, hint, log_tail, values.get("retryable") is not False)


def _read_followers(values: Any) -> dict[str, str]:
    followers = _check_type({} if values is None else values, dict)
    return {job_id: _check_type(kind, str) for job_id, kind in followers.items()}


def _read_time(value: Any) -> datetime:
    now = datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        is_sane = EARLIEST <= moment <= now + CLOCK_TOLERANCE
    except (TypeError, ValueError, OverflowError):
        return now
    return moment if is_sane else now
