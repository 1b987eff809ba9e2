"""What every service looks like to a step: started, asked for its state, and read.

No call waits for a result. A step stores the ticket, gives up its slot for as long as the service
asks, and goes on with the ticket in whichever process runs it next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from cinemill.core.documents import JsonObject
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import ProviderJobFailed, ProviderReplyInvalid
from cinemill.inference.providers.jobs import FindingSet, RunState
from cinemill.inference.providers.rekognition.requests import S3Video
from cinemill.steps.costs.cost import Consumption


@dataclass(frozen=True, slots=True)
class VideoClip:
    """A chunk as a file of its own (MP4)."""

    path: Path


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Frames of a chunk as JPEG images, in the order of time."""

    images: tuple[bytes, ...]


Material: TypeAlias = "S3Video | VideoClip | ClipFrames"


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """A range of a video, and what the service is given of it."""

    step_key: str
    """Names the content, the range, the parameters and the code's version: what is the same is
    analyzed once."""
    start_ms: int
    end_ms: int
    """After ``start_ms``; half-open. Findings lie within, whatever the service says."""
    material: Material
    restarts: int = 0
    """How often the step started over after the service had failed."""

    @property
    def duration_ms(self) -> int:
        """The length of the range."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class AnalysisTicket:
    """What a step stores between its calls: a small JSON object."""

    provider: str
    state: JsonObject


@dataclass(frozen=True, slots=True)
class Progress:
    """What a poll found. Store ``ticket`` in place of the earlier one, whatever the state is."""

    state: RunState
    ticket: AnalysisTicket
    delay_seconds: float = 0.0
    """While it runs: how long to wait before the next poll."""
    failure: ProviderJobFailed | None = None
    """Where it failed: what to raise, once the ticket is stored."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The findings of an analysis that has succeeded."""

    sets: list[FindingSet]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Of a language model, where it states them."""


def ignore_page(_pages: int) -> None:
    """Do nothing after a page of results."""


class AnalysisProvider(Protocol):
    """A service that analyzes videos."""

    @property
    def name(self) -> str:
        """As in settings and findings: ``rekognition``."""
        ...

    @property
    def is_idempotent(self) -> bool:
        """Whether a request that is started again is the same analysis, to be read again."""
        ...

    def list_consumption(self, request: AnalysisRequest) -> list[Consumption]:
        """Return what a request will be charged for, before it is made."""
        ...

    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Start an analysis; ``attempts`` counts the starts that were throttled.

        Raises InputRejected, DependencyUnavailable or WorkFailed, each with a stable code;
        ProviderThrottled says how long to wait.
        """
        ...

    def poll(self, ticket: AnalysisTicket) -> Progress:
        """Ask once how far an analysis is. Raises as ``start`` does."""
        ...

    def collect(
        self,
        ticket: AnalysisTicket,
        request: AnalysisRequest,
        *,
        on_page: Callable[[int], None] = ignore_page,
    ) -> Collected:
        """Return the findings of an analysis that has succeeded.

        ``on_page`` is called now and then; what it raises ends the call. Raises as ``start`` does.
        """
        ...

    def discard(self, ticket: AnalysisTicket) -> None:
        """Remove what the service keeps of an analysis that will not be collected."""
        ...


def check_request(request: AnalysisRequest) -> None:
    """Check the range of a request. Raises InputRejected (``range_invalid``)."""
    if not 0 <= request.start_ms < request.end_ms:
        raise InputRejected(
            f"The range from {request.start_ms} to {request.end_ms} ms is empty or before the "
            "video.",
            code="range_invalid",
        )


def material_unsuitable(provider: str, needed: str) -> InputRejected:
    """Return the refusal of a material that a service does not take."""
    return InputRejected(f"{provider} needs {needed}.", code="material_unsuitable")


def ticket_invalid(provider: str) -> ProviderReplyInvalid:
    """Return the failure of a ticket that is not this provider's, or not this version's."""
    return ProviderReplyInvalid(
        f"The stored state of this analysis is not one of {provider}'s.",
        code="provider_ticket_invalid",
        hint="Retry the job from this step's start.",
    )
