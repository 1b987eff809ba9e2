"""Jobs of Rekognition: started once, then asked for their state until they end."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.inference.providers.backoff import choose_delay_seconds
from cinemill.inference.providers.failures import ProviderJobFailed, ProviderThrottled
from cinemill.inference.providers.jobs import PollResult, RunState
from cinemill.inference.providers.rekognition.client import RekognitionClient
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.replies import Page, Started, read_document
from cinemill.inference.providers.rekognition.requests import (
    MIN_CONFIDENCE_PERCENT,
    NotificationChannel,
    S3Video,
    build_get_request,
    build_start_request,
    make_token,
)
from cinemill.inference.providers.text import clean_text

FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 5.0, 60.0
MOST_POLLS = 3000
"""At least a day of polling, at 30 to 60 seconds each; then the job is given up."""


@dataclass(frozen=True, slots=True)
class RekognitionJob:
    """A job that was started; what its caller has to remember."""

    feature: Feature
    job_id: str


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a job is started; another value of any needs another step key."""

    min_confidence_percent: float = MIN_CONFIDENCE_PERCENT
    channel: NotificationChannel | None = None
    restarts: int = 0
    """How often the step started over after the service's job had failed."""


def start_job(
    client: RekognitionClient,
    feature: Feature,
    video: S3Video,
    step_key: str,
    *,
    options: StartOptions | None = None,
    attempts: int = 0,
) -> RekognitionJob:
    """Start the analysis of a video, or return the job that the same step has started.

    ``step_key`` names the content, the parameters and the code's version; ``attempts`` counts how
    often the start was throttled. Raises what ``build_start_request`` and the client raise, and
    ProviderReplyInvalid where no job is named.
    """
    options = options or StartOptions()
    token = make_token(step_key, feature, restarts=options.restarts)
    request = build_start_request(
        feature,
        video,
        token,
        channel=options.channel,
        min_confidence_percent=options.min_confidence_percent,
    )
    reply = client.call(OPERATIONS[feature].start, request, attempts=attempts, key=token)
    return RekognitionJob(feature, read_document(Started, reply).JobId)


def poll_job(client: RekognitionClient, job: RekognitionJob, *, polls: int) -> PollResult:
    """Ask once how far a job is; ``polls`` counts the earlier requests.

    A throttled request counts as one that found the job running. Raises what the client raises
    otherwise, and ProviderReplyInvalid.
    """
    if polls >= MOST_POLLS:
        return _fail(f"The job has not ended after {polls} requests.", "provider_stalled")
    delay_seconds = choose_delay_seconds(
        polls, job.job_id, first_seconds=FIRST_POLL_SECONDS, longest_seconds=LONGEST_POLL_SECONDS
    )
    request = build_get_request(job.feature, job.job_id, page_items=1)
    try:
        reply = client.call(OPERATIONS[job.feature].get, request, attempts=polls, key=job.job_id)
    except ProviderThrottled as throttled:
        return PollResult(RunState.RUNNING, max(throttled.delay_seconds, delay_seconds))
    page = read_document(Page, reply)
    if page.JobStatus == "IN_PROGRESS":
        return PollResult(RunState.RUNNING, delay_seconds)
    if page.JobStatus == "SUCCEEDED":
        return PollResult(RunState.SUCCEEDED)
    reason = clean_text(page.StatusMessage) or "without a reason"
    return _fail(f"Rekognition could not analyze the video: {reason}", "provider_job_failed")


def _fail(sentence: str, code: str) -> PollResult:
    return PollResult(RunState.FAILED, failure=ProviderJobFailed(sentence, code=code))
