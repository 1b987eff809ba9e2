"""The state of an analysis that runs at a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.inference.providers.failures import ProviderJobFailed


class RunState(StrEnum):
    """How far an analysis is at the service."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PollResult:
    """What a service answered when it was asked once."""

    state: RunState
    delay_seconds: float = 0.0
    """While it runs: how long to wait before it is asked again."""
    failure: ProviderJobFailed | None = None
    """Where it failed: why."""


@dataclass(frozen=True, slots=True)
class FindingSet:
    """Findings of one kind, and the model that they come from."""

    kind: FindingKind
    model: FindingModel
    findings: list[Finding]
    """Sorted by start; within the video or the range that was analyzed."""
