"""Amazon Rekognition Video as a provider of analysis."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.capabilities.analysis.providers.normalisation import normalise
from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisRequest,
    AnalysisTicket,
    Collected,
    Progress,
    check_request,
    ignore_page,
    material_unsuitable,
    ticket_invalid,
)
from cinemill.errors import InputRejected
from cinemill.inference.providers.jobs import FindingSet, RunState
from cinemill.inference.providers.rekognition.client import RekognitionClient
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.jobs import (
    RekognitionJob,
    StartOptions,
    poll_job,
    start_job,
)
from cinemill.inference.providers.rekognition.mapping import map_results
from cinemill.inference.providers.rekognition.paging import PageLimits, read_results
from cinemill.inference.providers.rekognition.requests import (
    MIN_CONFIDENCE_PERCENT,
    NotificationChannel,
    S3Video,
)
from cinemill.steps.costs.cost import Consumption

NAME = "rekognition"


class _Job(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    feature: str
    job_id: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    is_done: bool = False


class _State(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    jobs: list[_Job] = Field(min_length=1, max_length=len(Feature))
    polls: int = Field(default=0, ge=0)


class RekognitionProvider:
    """Analysis of whole videos in S3, one job for each feature."""

    def __init__(
        self,
        client: RekognitionClient,
        features: tuple[Feature, ...],
        *,
        min_confidence_percent: float = MIN_CONFIDENCE_PERCENT,
        channel: NotificationChannel | None = None,
        limits: PageLimits | None = None,
    ) -> None:
        if not features or len(set(features)) != len(features):
            raise InputRejected(
                "Name each feature once, and at least one.", code="features_invalid"
            )
        self._client = client
        self._features = features
        self._min_confidence_percent = min_confidence_percent
        self._channel = channel
        self._limits = limits

    @property
    def name(self) -> str:
        """As in settings and findings."""
        return NAME

    @property
    def is_idempotent(self) -> bool:
        """Return True: the token of a request names its job, whose results are kept for days."""
        return True

    def list_consumption(self, request: AnalysisRequest) -> list[Consumption]:
        """Return the video's length for each feature; segments count as two, as they are billed."""
        prices = [f"{NAME}.{feature.value}" for feature in self._features]
        if Feature.SEGMENTS in self._features:
            prices.append(f"{NAME}.technical_cues")
        return [Consumption(price, milliseconds=_video(request).duration_ms) for price in prices]

    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Start a job for each feature. Called again, it returns the same jobs."""
        video = _video(request)
        options = StartOptions(self._min_confidence_percent, self._channel, request.restarts)
        jobs = [
            start_job(
                self._client, feature, video, request.step_key, options=options, attempts=attempts
            )
            for feature in self._features
        ]
        state = _State(jobs=[_Job(feature=one.feature.value, job_id=one.job_id) for one in jobs])
        return AnalysisTicket(NAME, state.model_dump())

    def poll(self, ticket: AnalysisTicket) -> Progress:
        """Ask once for each job that has not ended."""
        state = _read_state(ticket)
        delays = []
        for job in state.jobs:
            if job.is_done:
                continue
            result = poll_job(self._client, _open_job(job), polls=state.polls)
            if result.state is RunState.FAILED:
                return Progress(RunState.FAILED, ticket, failure=result.failure)
            job.is_done = result.state is RunState.SUCCEEDED
            if not job.is_done:
                delays.append(result.delay_seconds)
        state.polls += 1
        polled = AnalysisTicket(NAME, state.model_dump())
        if delays:
            return Progress(RunState.RUNNING, polled, delay_seconds=max(delays))
        return Progress(RunState.SUCCEEDED, polled)

    def collect(
        self,
        ticket: AnalysisTicket,
        request: AnalysisRequest,
        *,
        on_page: Callable[[int], None] = ignore_page,
    ) -> Collected:
        """Return the findings of all jobs, within the request's range."""
        duration_ms = _video(request).duration_ms
        sets: list[FindingSet] = []
        for job in map(_open_job, _read_state(ticket).jobs):
            for view in OPERATIONS[job.feature].views:
                results = read_results(
                    self._client,
                    job.feature,
                    job.job_id,
                    view,
                    limits=self._limits,
                    on_page=on_page,
                )
                sets += map_results(results, view, duration_ms=duration_ms)
        return Collected(
            [normalise(one, start_ms=request.start_ms, end_ms=request.end_ms) for one in sets]
        )

    def discard(self, ticket: AnalysisTicket) -> None:
        """Do nothing: Rekognition deletes its results by itself, and has no way to stop a job."""


def _video(request: AnalysisRequest) -> S3Video:
    check_request(request)
    if not isinstance(request.material, S3Video):
        raise material_unsuitable("Rekognition", "a video in Amazon S3")
    return request.material


def _read_state(ticket: AnalysisTicket) -> _State:
    try:
        state = _State.model_validate(ticket.state)
    except ValidationError as invalid:
        raise ticket_invalid(NAME) from invalid
    if ticket.provider != NAME or not {one.feature for one in state.jobs} <= set(Feature):
        raise ticket_invalid(NAME)
    return state


def _open_job(job: _Job) -> RekognitionJob:
    return RekognitionJob(Feature(job.feature), job.job_id)
