"""Deletes videos with their jobs and all that was made of them; for a while, that can be undone.

A deletion is a mark in the video's row. Carrying it out is safe to repeat and to run in several
processes at once, so nothing is lost if one of them dies in between.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from cinemill.core.job import Job
from cinemill.errors import Conflict, DependencyUnavailable, LockTimeout, NotFound
from cinemill.jobs.service import STOP_POLL_SECONDS, JobService
from cinemill.storage.database import Database
from cinemill.storage.jobs.job_queries import list_jobs
from cinemill.storage.media import assets, deletions
from cinemill.telemetry import get_logger

REASON = "Its video was deleted"
LONGEST_UNDO_SECONDS = 3600
JOBS_AT_ONCE = 500
DUE_AT_ONCE = 20
"""Videos that one sweep looks at."""

log = get_logger(__name__)


def request_deletion(database: Database, asset_id: str, *, undo_seconds: float) -> None:
    """Mark a video as to be deleted in so many seconds, 0 for at once; nothing stops until then.

    Raises NotFound; Conflict (``asset_in_use``) while a job of something else needs it. One that
    comes at the same moment is found when the deletion is carried out, which waits for it.
    """
    user = _find_user(database, asset_id)
    with database.begin() as connection:
        deletions.mark(connection, asset_id, undo_seconds=undo_seconds)
        if user is not None:
            raise refuse_used(user)


def _find_user(database: Database, asset_id: str) -> str | None:
    # Before the row is locked: the search reads all unfinished jobs, and uploads of the same bytes
    # would wait for it. A lock would keep no job from naming the video either.
    with database.begin() as connection:
        return deletions.find_user(connection, asset_id)


def refuse_used(job_id: str) -> Conflict:
    """Return the refusal to delete a video that this job of something else needs."""
    return Conflict(
        f"Job {job_id} needs this video and has not ended.",
        code="asset_in_use",
        hint="Cancel that job or wait until it has ended, then delete the video.",
    )


def restore(database: Database, asset_id: str) -> None:
    """Undo the deletion of a video; one that is not being deleted stays as it is.

    Raises NotFound; Conflict (``deletion_begun``) where it is too late.
    """
    with database.begin() as connection:
        if deletions.unmark(connection, asset_id):
            return
        if deletions.lock_due(connection, asset_id) is None:
            raise NotFound(
                f"There is no asset {asset_id}.",
                code="asset_not_found",
                hint="If it was deleted too long ago to be undone, upload it again.",
            )
    raise Conflict(
        "The time to undo this deletion is over.",
        code="deletion_begun",
        hint="Upload the video again.",
    )


def carry_out(database: Database, jobs: JobService, asset_id: str) -> bool:
    """Go on with a deletion whose time has come; return whether the video is gone.

    Its unfinished jobs are cancelled. Once their processes have ended, they are deleted with the
    others, and then the video. It stays as it is while a job of something else needs it.

    Raises LockTimeout where another transaction holds one of its jobs.
    """
    is_used = _find_user(database, asset_id) is not None
    with database.begin() as connection:
        is_due = deletions.lock_due(connection, asset_id)
        if not is_due or is_used:
            return is_due is None
        # While it is locked: a job that comes later is of somebody who has sent the video again.
        found = list_jobs(connection, asset_id=asset_id, limit=JOBS_AT_ONCE)
    return _remove_jobs(jobs, found) and _remove_asset(database, asset_id)


def carry_out_within(
    database: Database, jobs: JobService, asset_id: str, *, patience_seconds: float = 10.0
) -> bool:
    """Carry out a deletion, and return whether it was done in that time; a sweep goes on with it.

    It takes longer while a process of one of its jobs is being stopped.
    """
    give_up_at = time.monotonic() + patience_seconds
    while True:
        with suppress(LockTimeout):
            if carry_out(database, jobs, asset_id):
                return True
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(STOP_POLL_SECONDS)


def carry_out_due(database: Database, jobs: JobService) -> int:
    """Go on with the deletions whose time has come, and return how many videos are gone.

    One that cannot be deleted now holds up none of the others.
    """
    with database.begin() as connection:
        due = deletions.list_due(connection, limit=DUE_AT_ONCE)
    gone = 0
    for asset_id in due:
        try:
            gone += carry_out(database, jobs, asset_id)
        except LockTimeout:
            continue
        except DependencyUnavailable:
            raise
        except Exception:
            log.exception("a deletion was left for later", asset=asset_id)
    return gone


def _remove_jobs(jobs: JobService, found: Sequence[Job]) -> bool:
    """Cancel and delete a portion of the jobs of a video; return whether none is left."""
    ended = [job for job in found if job.state.is_final or _is_cancelled(jobs, job)]
    if len(ended) < len(found):
        return False  # their processes are being stopped
    for job in ended:
        try:
            jobs.delete_job(job.id)
        except NotFound:
            continue
        except Conflict:
            return False  # retried just now, or its children are still being cancelled
    return len(found) < JOBS_AT_ONCE


def _is_cancelled(jobs: JobService, job: Job) -> bool:
    """Cancel a job; return whether it has ended."""
    try:
        return jobs.cancel_job(job.id, REASON).state.is_final
    except (Conflict, NotFound):
        return True  # it ended in the meantime


def _remove_asset(database: Database, asset_id: str) -> bool:
    if _find_user(database, asset_id) is not None:
        return False
    with database.begin() as connection:
        # Locked first: an upload of the same bytes waits here, or its job is seen in the list.
        if not deletions.lock_due(connection, asset_id):
            return False
        if list_jobs(connection, asset_id=asset_id, limit=1):
            return False
        return assets.delete_asset(connection, asset_id)
