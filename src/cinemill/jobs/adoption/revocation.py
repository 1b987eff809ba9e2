"""Cancels the jobs whose ids a client of Celery has revoked."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cinemill.core.job import JobState
from cinemill.errors import CinemillError, Conflict, NotFound
from cinemill.jobs.service import JobService
from cinemill.telemetry import get_logger

REASON = "revoked with Celery"

log = get_logger(__name__)


def begin_cancelling(service: JobService, job_ids: Sequence[str], *, terminate: bool) -> None:
    """Cancel the jobs, as :func:`cancel_revoked` does, in a thread of its own.

    A database that does not answer must not keep a worker from its messages.
    """
    threading.Thread(
        target=cancel_revoked,
        args=(service, job_ids),
        kwargs={"terminate": terminate},
        name="revoke",
        daemon=True,
    ).start()


def cancel_revoked(service: JobService, job_ids: Sequence[str], *, terminate: bool) -> None:
    """Cancel the jobs that have not ended; those that run only with ``terminate``.

    Every worker is asked to, and all but the first find the jobs cancelled.
    """
    for job_id in job_ids:
        try:
            if terminate or service.get_job(job_id).state is JobState.PENDING:
                service.cancel_job(job_id, REASON)
        except (NotFound, Conflict):
            continue
        except CinemillError as error:
            log.warning("a revoked job was not cancelled", job_id=job_id, why=error.message)
