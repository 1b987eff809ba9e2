"""A message of the broker that became no job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cinemill.core.job import Failure


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
    ) -> DeadMessage:
        """One that was received now."""
        now = datetime.now(UTC)
        return cls(str(uuid4()), queue, task, task_id, failure, excerpt, size_bytes, now)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; ``received_at`` in ISO 8601, UTC."""
        return {**asdict(self), "received_at": self.received_at.isoformat()}


def read_dead_message(text: str | bytes) -> DeadMessage:
    """One that was written as JSON. Raises ValueError, TypeError, KeyError for anything else."""
    values = json.loads(text)
    return DeadMessage(
        **{
            **values,
            "failure": Failure(**values["failure"]),
            "received_at": datetime.fromisoformat(values["received_at"]),
        }
    )
