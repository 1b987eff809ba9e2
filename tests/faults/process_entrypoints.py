"""Cinemill's worker and beat with the drill's kinds of work: ``tests.faults.drill_worker``.

``worker QUEUES CONCURRENCY`` and ``beat`` are the product's, with a longer catalog. ``submit KIND
JOB_ID`` accepts one job and is killed before any relay could have published it. ``cancel JOB_ID``
is killed when a job's cancel is committed, before it has done anything else.
"""

from __future__ import annotations

import os
import signal

from celery import Celery
from tests.faults.kinds import DRILL_CATALOG, DrillHandlers

from cinemill.config import load
from cinemill.jobs import child_jobs
from cinemill.steps.resources import StepResources
from cinemill.storage import sessions
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.worker.__main__ import plan_worker
from cinemill.worker.app_factory import build_app
from cinemill.worker.handlers import build_resources
from cinemill.worker.process import pulse
from cinemill.worker.relay import Broker

ANSWER_SECONDS = 9.0
"""A lease here is a tenth of the product's, and so is the timeout of a silent PostgreSQL."""
PULSE_SECONDS = 1.0
COPIES = "DRILL_COPIES"
"""How often the relay of this process sends each message."""


def build_drill() -> Celery:
    resources_by_pid: dict[int, StepResources] = {}

    def open_resources() -> StepResources:
        # One per process: after a fork the parent's connections belong to the parent.
        return resources_by_pid.setdefault(os.getpid(), build_resources(app.context))

    app = build_app(load(), catalog=DRILL_CATALOG, handlers=DrillHandlers(open_resources).by_kind())
    return app


def send_copies(copies: int) -> None:
    """Have this process's relay send every message so many times."""
    send_once = Broker.send

    def send(self: Broker, run: ReadyRun) -> None:
        for _ in range(copies):
            send_once(self, run)

    Broker.send = send  # type: ignore[method-assign]


def run(arguments: list[str]) -> None:
    role, *rest = arguments
    sessions.ANSWER_SECONDS = ANSWER_SECONDS
    pulse.INTERVAL_SECONDS = PULSE_SECONDS
    app = build_drill()
    if role == "worker":
        queues, concurrency, name = rest
        worker = app.Worker(**plan_worker(queues, int(concurrency), app.context), hostname=name)
        worker.start()
        raise SystemExit(worker.exitcode or 0)
    if role == "beat":
        send_copies(int(os.environ.get(COPIES, "1")))
        app.Beat(loglevel="INFO").run()
    elif role == "submit":
        kind, job_id = rest
        app.context.service.create_job(kind, job_id=job_id, params={"seconds": 0.1})
        os.kill(os.getpid(), signal.SIGKILL)
    elif role == "cancel":
        child_jobs.finish_cancels = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        app.context.service.cancel_job(rest[0], "the drill cancels it")
