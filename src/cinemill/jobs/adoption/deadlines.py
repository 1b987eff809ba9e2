"""Ends jobs that have not begun by the time until which they were to: Celery's ``expires``."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from cinemill.core.job import JobState
from cinemill.errors import Conflict
from cinemill.jobs import child_jobs
from cinemill.jobs.catalog import Catalog
from cinemill.jobs.planning.sweeping import begin_briefly, do_each
from cinemill.storage.database import Database
from cinemill.storage.jobs.job_queries import lock_job
from cinemill.storage.jobs.waiting import deadlines

EXPIRED = "It had not begun by the time at which it expires."


def free_due(database: Database) -> int:
    """Let jobs begin whose time has come; return how many."""
    with begin_briefly(database) as connection:
        return deadlines.free_due(connection)


def cancel_expired(database: Database, catalog: Catalog) -> int:
    """Cancel jobs that have not begun in time; return how many.

    A job that another transaction holds is left to the next call.
    """
    with database.begin() as connection:
        expired = deadlines.list_expired(connection)
    return do_each(expired, partial(_cancel, database, catalog))


def _cancel(database: Database, catalog: Catalog, job_id: str) -> bool:
    with begin_briefly(database) as connection:
        job = lock_job(connection, job_id)
        if job.state is not JobState.PENDING or job.started_at is not None:
            return False  # it began in the meantime
        with suppress(Conflict):  # it has been cancelled
            child_jobs.cancel(catalog, connection, job_id, EXPIRED)
            return True
    return False
