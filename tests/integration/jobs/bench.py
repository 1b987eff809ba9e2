"""A runner whose handlers a test writes, with real rows and real clocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from tests.integration.jobs.engine import CATALOG
from tests.integration.storage import rows
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import Job, RunState
from cinemill.jobs.catalog import RetryPolicy
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.runs.runner import Runner
from cinemill.jobs.service import JobService
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.storage.database import Connection, Database
from cinemill.storage.media import assets


@dataclass
class Bench:
    """A runner whose handlers a test writes, and what is asked of the rows afterwards."""

    database: Database
    service: JobService
    sink: EventPublisher
    folder: Path
    handlers: dict[str, Handler] = field(default_factory=dict)
    limits: RetryPolicy = field(default_factory=RetryPolicy)
    runner: Runner | None = None

    def submit(self, handler: Handler, kind: str = "work") -> Job:
        self.handlers[kind] = handler
        return self.service.create_job(kind)

    def execute(self, job: Job, name: str = "work") -> RunState | None:
        """The job's queued run, on this thread as a worker does."""
        rows.change(self.database, "UPDATE run SET delay_ends = NULL WHERE job_id = :id", id=job.id)
        run_id = rows.queued_runs(self.database, job.id)[name]
        return self.make_runner().execute(run_id)

    def make_runner(self, database: Database | None = None) -> Runner:
        """The same one each time, with the limits and the database of the first."""
        if self.runner is None:
            self.runner = Runner(
                database or self.database,
                self.sink,
                self.handlers,
                catalog=CATALOG,
                limits=self.limits,
                work_folder=self.folder,
                worker="host:1",
            )
        return self.runner

    def job(self, job: Job) -> Job:
        return rows.get_job(self.database, job)

    def failure_code(self, job: Job) -> str | None:
        query = text(
            "SELECT failure ->> 'code' FROM run WHERE job_id = :id AND failure IS NOT NULL"
        )
        with self.database.begin() as connection:
            return connection.execute(query, {"id": job.id}).scalar()

    def seconds_until_due(self, job: Job) -> float:
        query = text(
            "SELECT coalesce(delay_seconds, 0) FROM run WHERE job_id = :id AND state = 'queued'"
        )
        with self.database.begin() as connection:
            return float(connection.execute(query, {"id": job.id}).scalar_one())


def do_nothing(context: StepContext) -> StepOutcome:
    return StepOutcome({"done": True})


def work_until_stopped(context: StepContext) -> StepOutcome:
    """As FFmpeg's room does: ask several times a second, and raise what is answered."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        stop = context.should_stop()
        if stop is not None:
            raise stop
        time.sleep(0.02)
    raise AssertionError("nobody stopped the work")


def while_running(act: Callable[[StepContext], None]) -> Handler:
    """Work until stopped, and once it is under way ``act`` on another thread."""

    def handle(context: StepContext) -> StepOutcome:
        threading.Thread(target=act, args=(context,), daemon=True).start()
        return work_until_stopped(context)

    return handle


def raising(error: Exception) -> Handler:
    def handle(context: StepContext) -> StepOutcome:
        raise error

    return handle


def write_asset(connection: Connection) -> None:
    assets.register_asset(connection, owner="ann", sha256="made", size_bytes=1, filename="f.mp4")
