"""Jobs in memory: how they are kept, listed, and brought forward."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cinemill.client.models import ProgressEvent
from cinemill.core.job import DEFAULT_OWNER, DeadStep, Failure, Job, JobState, StepSpec
from cinemill.errors import Conflict, NotFound
from cinemill.jobs.job_document import describe_change
from cinemill.testing.outcomes import Outcome

WORKER = "fake:1"


@dataclass
class FakeJob:
    """One job, with what is still to happen to it."""

    job: Job
    steps: Sequence[StepSpec]
    outcome: Outcome
    digest: str
    """Of the request, which an idempotency key stands for."""
    events: list[ProgressEvent] = field(default_factory=list)
    dead_step_id: str = ""

    def change(self, **members: Any) -> None:
        """Bring the job into another state, and record the event that watchers see."""
        self.job = replace(self.job, **members)
        document = describe_change(self.job).to_json()
        self.events.append(ProgressEvent.from_json(f"{len(self.events) + 1}-0", document))


class FakeJobs:
    """All jobs of a fake, newest last."""

    def __init__(self) -> None:
        self._jobs: dict[str, FakeJob] = {}
        self._keys: dict[str, str] = {}
        self._now = datetime.now(UTC)

    def tick(self) -> datetime:
        """Return the time, later than at every call before: jobs are listed by it."""
        self._now = max(datetime.now(UTC), self._now + timedelta(microseconds=1))
        return self._now

    def find(self, job_id: str) -> FakeJob:
        """Return a job. Raises NotFound."""
        if (found := self._jobs.get(job_id)) is None:
            raise NotFound(f"There is no job {job_id}.", code="job_not_found")
        return found

    def add(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        asset_id: str | None,
        priority: int,
        steps: Sequence[StepSpec],
        outcome: Outcome,
        key: str | None,
        filename: str,
    ) -> FakeJob:
        """Add a job, or find the one of the same key. Raises Conflict."""
        digest = json.dumps([kind, params, asset_id], sort_keys=True)
        if key is not None and key in self._keys:
            return self._find_same(key, digest)
        job_id = str(uuid4())
        made = self._make(job_id, kind, params, asset_id, priority)
        added = FakeJob(replace(made, filename=filename), steps, outcome, digest)
        added.change()
        self._jobs[job_id] = added
        if key is not None:
            self._keys[key] = job_id
        return added

    def _find_same(self, key: str, digest: str) -> FakeJob:
        same = self._jobs[self._keys[key]]
        if same.digest != digest:
            raise Conflict(
                "This idempotency key was used for a different request.",
                code="idempotency_conflict",
                hint="Use a new key for a new request.",
            )
        return same

    def _make(
        self, job_id: str, kind: str, params: Mapping[str, Any], asset_id: str | None, priority: int
    ) -> Job:
        return Job(
            id=job_id,
            kind=kind,
            owner=DEFAULT_OWNER,
            state=JobState.PENDING,
            priority=priority,
            asset_id=asset_id,
            params=dict(params),
            progress=0.0,
            stage="",
            message="Waiting in the queue",
            result=None,
            failure=None,
            cancel_reason=None,
            cancel_requested=False,
            celery_task_id=job_id,
            worker=None,
            queued_at=self.tick(),
            started_at=None,
            finished_at=None,
        )

    def listed(self) -> Iterator[Job]:
        """Yield all jobs, newest first."""
        jobs = (one.job for one in self._jobs.values())
        return iter(sorted(jobs, key=lambda job: (job.queued_at, job.id), reverse=True))

    def remove(self, job_id: str) -> None:
        """Delete a job and its key. Raises NotFound."""
        self.find(job_id)
        del self._jobs[job_id]
        self._keys = {key: of for key, of in self._keys.items() if of != job_id}

    def advance(self, fake: FakeJob) -> None:
        """Let the next thing happen to a job: its start, one event, or its end."""
        job, stages = fake.job, fake.outcome.progress
        sent = sum(event.status == "running" for event in fake.events) - 1
        if job.state.is_final:
            return
        if job.state is JobState.PENDING:
            name = fake.steps[0].name if fake.steps else job.kind
            started = self.tick()
            fake.change(
                state=JobState.RUNNING,
                started_at=started,
                worker=WORKER,
                stage=name,
                message="Working",
            )
        elif sent < len(stages):
            percent, message = stages[sent]
            fake.change(progress=percent, message=message)
        elif not fake.outcome.is_held:
            self._end(fake)

    def _end(self, fake: FakeJob) -> None:
        failure = fake.outcome.failure
        if failure is None:
            fake.change(
                state=JobState.COMPLETED,
                progress=100.0,
                stage="done",
                message="Done",
                result=dict(fake.outcome.result),
                finished_at=self.tick(),
            )
            return
        fake.dead_step_id = str(uuid4())
        fake.change(
            state=JobState.FAILED,
            stage="failed",
            message=failure.message,
            failure=failure,
            finished_at=self.tick(),
        )

    def cancel(self, job_id: str, reason: str) -> Job:
        """Cancel a job at once; one that is cancelled stays so. Raises NotFound, Conflict."""
        fake = self.find(job_id)
        if fake.job.state is JobState.CANCELLED:
            return fake.job
        if fake.job.state.is_final:
            raise Conflict(
                f"Job {job_id} is already {fake.job.state.value}.",
                code="job_ended",
                hint="It has already finished, so it cannot be cancelled.",
            )
        fake.change(
            state=JobState.CANCELLED,
            cancel_requested=True,
            cancel_reason=reason or "cancelled by the user",
            stage="cancelled",
            message="Cancelled",
            finished_at=self.tick(),
        )
        return fake.job

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again. Raises NotFound, Conflict."""
        fake = self.find(job_id)
        if fake.job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict(
                f"Job {job_id} is {fake.job.state.value}.",
                code="job_not_failed",
                hint="Only failed and cancelled jobs can be retried.",
            )
        fake.events.clear()
        fake.dead_step_id = ""
        fake.change(
            state=JobState.PENDING,
            progress=0.0,
            stage="",
            message="Waiting in the queue",
            result=None,
            failure=None,
            cancel_reason=None,
            cancel_requested=False,
            queued_at=self.tick(),
            started_at=None,
            finished_at=None,
        )
        return fake.job

    def dead_steps(self) -> list[DeadStep]:
        """List the dead steps of failed jobs, latest first."""
        dead = [_describe_dead(one) for one in self._jobs.values() if one.dead_step_id]
        return sorted(dead, key=lambda step: step.died_at, reverse=True)


def _describe_dead(fake: FakeJob) -> DeadStep:
    job = fake.job
    return DeadStep(
        step_id=fake.dead_step_id,
        job_id=job.id,
        job_kind=job.kind,
        step_name=fake.steps[-1].name if fake.steps else job.kind,
        owner=job.owner,
        attempts=1,
        failures=1,
        crashes=0,
        failure=job.failure or Failure("internal_error", ""),
        died_at=job.finished_at or job.queued_at,
    )
