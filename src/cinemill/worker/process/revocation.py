"""Celery's ``revoke`` for jobs: their ids are no tasks of Celery's while they wait or run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from celery.worker.control import Panel
from kombu.utils.functional import maybe_list

from cinemill.core.job import JobState
from cinemill.errors import CinemillError, Conflict, NotFound
from cinemill.jobs.service import JobService
from cinemill.telemetry import get_logger

COMMAND = "revoke"
REASON = "revoked with Celery"

log = get_logger(__name__)


def adopt_revocations() -> None:
    """Have the workers of this process cancel jobs whose ids are revoked, besides Celery's tasks.

    In a thread: a database that does not answer must not keep a worker from its messages. Every
    worker is told, and the second one finds the job cancelled.
    """
    standard = Panel.data[COMMAND]
    if getattr(standard, "is_for_jobs", False):
        return

    def revoke(state: Any, task_id: Any, terminate: bool = False, **options: Any) -> Any:
        ids = [one for one in maybe_list(task_id) or () if isinstance(one, str)]
        arguments = (state.app.context.service, ids, bool(terminate))
        threading.Thread(target=cancel, args=arguments, name="revoke", daemon=True).start()
        return standard(state, task_id, terminate, **options)

    revoke.is_for_jobs = True  # type: ignore[attr-defined]
    Panel.data[COMMAND] = revoke


def cancel(service: JobService, job_ids: Sequence[str], terminate: bool) -> None:
    """Cancel the jobs that have not ended; those that run only with ``terminate``."""
    for job_id in job_ids:
        try:
            if terminate or service.get_job(job_id).state is JobState.PENDING:
                service.cancel_job(job_id, REASON)
        except (NotFound, Conflict):
            continue
        except CinemillError as error:
            log.warning("a revoked job was not cancelled", job_id=job_id, why=error.message)
