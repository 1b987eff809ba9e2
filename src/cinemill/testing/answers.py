"""The responses of a fake: documents, and the errors of the client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from cinemill.api.models.jobs import MAX_KEY_LENGTH, JobDetails, JobStatus
from cinemill.api.models.jobs import JobDocument as ServerJob
from cinemill.catalog import CATALOG
from cinemill.client import ClientError
from cinemill.client.models import JobDocument, StatsDocument
from cinemill.core.job import (
    Job,
    JobState,
    Step,
    StepSpec,
    StepState,
)
from cinemill.errors import CinemillError, InputRejected
from cinemill.jobs.job_document import describe_job, describe_step
from cinemill.testing.fake_jobs import FakeJob

Body = TypeVar("Body", bound=BaseModel)

_STEP_STATES = {
    JobState.PENDING: StepState.QUEUED,
    JobState.RUNNING: StepState.RUNNING,
    JobState.COMPLETED: StepState.SUCCEEDED,
    JobState.FAILED: StepState.DEAD,
    JobState.CANCELLED: StepState.CANCELLED,
}


@contextmanager
def as_client_errors() -> Iterator[None]:
    """Raise the server's error as the client's."""
    try:
        yield
    except CinemillError as error:
        raise ClientError(
            error.message, code=error.code, hint=error.hint, status=error.http_status
        ) from error


def document_of(job: Job) -> JobDocument:
    """Return a job as lists show it."""
    return cast("JobDocument", ServerJob.from_job(job).model_dump(mode="json"))


def details_of(job: Job) -> JobDocument:
    """Return a job as it is shown by itself."""
    return cast("JobDocument", JobDetails.from_job(job).model_dump(mode="json"))


def status_of(fake: FakeJob) -> JobDocument:
    """Return a job with its steps and its position in the queue."""
    place = 1 if fake.job.state is JobState.PENDING else None
    described = {**describe_job(fake.job), "queue_place": place, "steps": list_steps(fake)}
    return cast("JobDocument", JobStatus.from_description(described).model_dump(mode="json"))


def list_steps(fake: FakeJob) -> list[dict[str, Any]]:
    state = _STEP_STATES[fake.job.state]
    failed = state is StepState.DEAD
    steps = [
        Step(
            id=f"{fake.job.id}/{spec.name}",
            job_id=fake.job.id,
            name=spec.name,
            kind=spec.kind,
            queue=CATALOG.steps[spec.kind].queue if spec.kind in CATALOG.steps else "default",
            state=state,
            failures=int(failed),
            crashes=0,
            attempts=int(fake.job.started_at is not None),
            result=None,
            failure=fake.job.failure,
        )
        for spec in fake.steps
    ]
    return [describe_step(step) for step in steps]


def count_words(words: Sequence[str]) -> dict[str, int]:
    return {word: words.count(word) for word in set(words)}


def describe_statistics(jobs: Sequence[Job]) -> StatsDocument:
    """Return what the server reports of these jobs; the fake has no workers, and takes no time."""
    by_status = count_words([job.state.value for job in jobs])
    by_type = count_words([job.kind for job in jobs])
    queue = {"by_status": by_status, "by_type": by_type, "by_queue": {}, "total": len(jobs)}
    outcomes = {}
    for kind in by_type:
        ended = [job for job in jobs if job.kind == kind and job.state.is_final]
        if ended:
            outcomes[kind] = _describe_outcome(ended)
    lists: dict[str, object] = {"stuck": [], "hardware": [], "workers": [], "clock": None}
    times: dict[str, object] = {"processing_times": {}, "memory": {}}
    return cast("StatsDocument", {"queue": queue, "outcomes": outcomes, **times, **lists})


def _describe_outcome(ended: Sequence[Job]) -> dict[str, object]:
    counts = {
        state.value: sum(job.state is state for job in ended)
        for state in JobState
        if state.is_final
    }
    tried = counts["completed"] + counts["failed"]
    rate = counts["completed"] / tried if tried else None
    failures = count_words([job.failure.code for job in ended if job.failure is not None])
    return {**counts, "completion_rate": rate, "failures": failures}


def choose_priority(priority: int | None, steps: Sequence[StepSpec]) -> int:
    if priority is not None:
        return priority
    kind = CATALOG.steps.get(steps[0].kind)
    return CATALOG.queues[kind.queue if kind else "default"].priority


def read_body(model: type[Body], members: Mapping[str, object]) -> Body:
    """Return the body of a request as a server reads it. Raises ClientError.

    TypeError and ValueError are raised for what JSON does not have, as the real client does.
    """
    try:
        return model.model_validate_json(json.dumps(members, allow_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise parameter_invalid(name, first["msg"]) from None


def check_key(key: str | None) -> None:
    if key and not (len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        raise parameter_invalid(
            "Idempotency-Key", f"must be 1 to {MAX_KEY_LENGTH} printable characters"
        )


def check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise parameter_invalid("limit", "must be at least 1")


def parameter_invalid(name: str, what: str) -> ClientError:
    return ClientError(
        f"{name}: {what}",
        code="parameters_invalid",
        hint=InputRejected.hint,
        status=422,
    )
