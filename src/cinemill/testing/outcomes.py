"""How the jobs of a fake go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cinemill.core.job import Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to one job, from its start to its end."""

    result: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    """Why it fails; None where it succeeds."""
    progress: tuple[tuple[float, str], ...] = ((50.0, "Working"),)
    """(percent, message) of each event between its start and its end."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What it adds to its asset, by the kind of artifact, such as ``proxy``."""
    is_held: bool = False
    """Whether it stays running until ``FakeClient.finish`` ends it."""


def succeed(**result: Any) -> Outcome:
    """Return the outcome of a job that completes with this result."""
    return Outcome(result=result)


def fail(code: str, message: str, *, hint: str = "", retryable: bool = False) -> Outcome:
    """Return the outcome of a job that fails with this code and sentence."""
    return Outcome(failure=Failure(code, message, hint, retryable=retryable))


def hold() -> Outcome:
    """Return the outcome of a job that runs until ``FakeClient.finish`` or a cancel ends it."""
    return Outcome(is_held=True)
