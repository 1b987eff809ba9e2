"""Submits the drill's jobs, with the expected outcome of each; seeded, so that it repeats."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from celery import Celery

from cinemill.errors import CinemillError, Conflict, DatabaseUnavailable
from cinemill.jobs.service import JobService

RETRY_SECONDS = 0.2
OWNERS = ("ada", "grace", "edsger")


class History:
    """The events of a drill, as JSON lines; times are Unix seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")

    def write(self, event: str, **facts: Any) -> float:
        now = time.time()
        line = json.dumps({"t": round(now, 3), "event": event, **facts}, default=str)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()
        return now

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Submission:
    """A job to submit, and how it must end."""

    kind: str
    params: Mapping[str, Any]
    states: frozenset[str] = frozenset({"completed"})
    code: str | None = None
    """Expected code of the failure, if it must fail."""
    value: int | None = None
    """Expected value in the result: the sum of a fan-in."""
    expected_attempts: tuple[str, int] | None = None
    """(``failures`` or ``crashes``, exact number) of the step that is poison."""
    entry_point: str = "service"


def failing(
    kind: str, code: str, params: Mapping[str, Any] | None = None, **more: Any
) -> Submission:
    return Submission(kind, params or {}, frozenset({"failed"}), code, **more)


def draw_submission(random: Random, films: list[Path]) -> Submission:
    """Draw one ordinary job; faults submit poison and cancelled jobs themselves."""
    seconds = round(random.uniform(0.3, 2.0), 2)
    roll = random.random()
    if roll < 0.55:
        entry_point = "celery" if random.random() < 0.2 else "service"
        return Submission("drill_work_job", {"seconds": seconds}, entry_point=entry_point)
    if roll < 0.67:
        values = [random.randrange(1000) for _ in range(random.randrange(2, 5))]
        params = {"seconds": round(seconds / 3, 2), "values": values}
        return Submission("drill_fan_job", params, value=sum(values))
    if roll < 0.79:
        return Submission("drill_encode_job", {"seconds": seconds})
    if roll < 0.86:
        return Submission("drill_flaky_job", {"failures": random.randrange(1, 3)})
    if roll < 0.90:
        return Submission("drill_slow_commit_job", {"seconds": 0.3})
    if roll < 0.93:
        return failing("drill_reject_job", "drill_rejected")
    if roll < 0.95:
        return failing("drill_broken_fan_job", "drill_rejected", {"seconds": 0.3})
    return Submission("process_video", {"path": str(random.choice(films))})


@dataclass
class Submitter:
    """Submits jobs until they are accepted, with ids chosen beforehand, so that none is doubled."""

    service: JobService
    app: Celery
    history: History
    random: Random
    submissions: dict[str, Submission] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    """Ids of jobs that may or may not have been accepted."""

    def submit(self, submission: Submission, *, priority: int | None = None) -> str:
        """Submit a job and return its id once it is accepted, however long PostgreSQL is down."""
        job_id = str(UUID(int=self.random.getrandbits(128), version=4))
        owner = self.random.choice(OWNERS)
        while True:
            try:
                self._submit_once(submission, job_id, owner, priority)
            except DatabaseUnavailable:
                time.sleep(RETRY_SECONDS)
                continue
            self.submissions[job_id] = submission
            self.history.write(
                "submitted", job=job_id, kind=submission.kind, entry_point=submission.entry_point
            )
            return job_id

    def accept(self, job_id: str, submission: Submission) -> None:
        """Record a job that was submitted in another way."""
        self.submissions[job_id] = submission
        self.history.write(
            "accepted", job=job_id, kind=submission.kind, entry_point=submission.entry_point
        )

    def cancel(self, job_id: str) -> bool:
        """Cancel a job; return whether it could still be cancelled."""
        self.history.write("cancel", job=job_id)
        while True:
            try:
                self.service.cancel_job(job_id, "the drill cancels it")
            except Conflict:
                return False
            except DatabaseUnavailable:
                time.sleep(RETRY_SECONDS)
                continue
            return True

    def state(self, job_id: str) -> str:
        return str(retry_while_down(lambda: self.service.get_job(job_id)).state.value)

    def _submit_once(
        self, submission: Submission, job_id: str, owner: str, priority: int | None
    ) -> None:
        if submission.entry_point == "celery":
            task = self.app.tasks[submission.kind]
            task.apply_async(kwargs=dict(submission.params), task_id=job_id, priority=priority)
            return
        self.service.create_job(
            submission.kind, params=submission.params, owner=owner, job_id=job_id, priority=priority
        )


def retry_while_down(operation: Callable[[], Any], patience_seconds: float = 60.0) -> Any:
    """Return the result of the operation; retry while PostgreSQL is down."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return operation()
        except CinemillError as error:
            if not isinstance(error, DatabaseUnavailable) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
