"""Retention: old jobs and conversations, files that no row names, incomplete uploads."""

from __future__ import annotations

import time
from functools import partial

from cinemill.capabilities.operations.verify import GRACE_SECONDS, find_orphans, is_orphan
from cinemill.errors import LockTimeout
from cinemill.jobs.portions import Note, delete_in_portions
from cinemill.storage.clock import read_calendar
from cinemill.storage.database import Database
from cinemill.storage.findings.sets import delete_abandoned
from cinemill.storage.jobs import job_changes, statistics
from cinemill.storage.jobs.dead_messages import prune_dead_messages
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.metrics.totals import count_ended
from cinemill.storage.projection.rows import give_up_projections
from cinemill.storage.retrieval import conversations
from cinemill.telemetry import get_logger

log = get_logger(__name__)

UPLOAD_GRACE_SECONDS = 24 * 3600.0
SIGHTINGS_GRACE_HOURS = 24
"""In which a person may retry the job that failed between looking at frames and merging them;
counted from the failure."""


def forget_dead_messages(database: Database, days: float) -> int:
    """Forget messages that became no job and are older than this many days; return how many."""
    with database.begin() as connection:
        return prune_dead_messages(connection, older_than_days=days)


def delete_old_jobs(database: Database, days: float, note: Note) -> int:
    """Delete jobs that ended more than this many days ago; return how many."""
    delete = partial(job_changes.delete_old_jobs, older_than_days=days)
    return delete_in_portions(database, lambda c, limit: delete(c, limit=limit), note=note)


def delete_cached_pieces(database: Database, days: float, note: Note) -> int:
    """Forget pieces that no render has requested for this many days; return how many."""
    forget = partial(assets.forget_cached, older_than_days=days)
    return delete_in_portions(database, lambda c, limit: forget(c, limit=limit), note=note)


def delete_unused_conversations(database: Database, days: float, note: Note) -> int:
    """Delete conversations that were not used for this many days; return how many."""
    delete = partial(conversations.delete_unused, older_than_days=days)
    return delete_in_portions(database, lambda c, limit: delete(c, limit=limit), note=note)


def delete_abandoned_findings(database: Database, note: Note) -> int:
    """Delete findings of jobs that ended before they were complete; return how many sets."""
    delete = partial(delete_abandoned, older_than_hours=SIGHTINGS_GRACE_HOURS)
    return delete_in_portions(database, lambda c, limit: delete(c, limit=limit), note=note)


def count_old_jobs(database: Database, days: float) -> int:
    """Return how many jobs ended more than this many days ago; it counts to a hundred thousand."""
    with database.begin() as connection:
        return job_changes.count_old_jobs(
            connection, older_than_days=days, most=statistics.MOST_COUNTED
        )


def count_ended_work(database: Database) -> None:
    """Add what has ended to the totals that ``/metrics`` shows, so that a scrape reads few rows."""
    try:
        count_ended(database)
    except LockTimeout:
        log.info("totals are counted the next time: rows are being deleted")


def give_up_stale_projections(database: Database) -> None:
    """Forget what changed for collections in Qdrant that nobody has brought up to date for long."""
    try:
        models = give_up_projections(database)
    except LockTimeout:
        log.info("changes of vectors are forgotten the next time: they are being written")
        return
    if models:
        log.warning(
            "too many changes wait for Qdrant and are forgotten; where it is still set up, it is"
            " filled from the start",
            models=models,
        )


def collect_garbage(database: Database, files: LocalFiles) -> dict[str, int]:
    """Remove files that no row names and incomplete uploads. Safe to run twice.

    Returns ``deleted_files``, ``deleted_uploads``, ``freed_bytes``.
    """
    removed = remove_orphans(database, files, grace_seconds=GRACE_SECONDS)
    uploads = remove_broken_uploads(
        files, grace_seconds=UPLOAD_GRACE_SECONDS, now=measure_age_from(database)
    )
    return {
        "deleted_files": removed[0],
        "deleted_uploads": uploads[0],
        "freed_bytes": removed[1] + uploads[1],
    }


def remove_orphans(
    database: Database, files: LocalFiles, *, grace_seconds: float
) -> tuple[int, int]:
    """Remove orphans and return (files, bytes).

    Files that have got a row or were stored again in the meantime stay.
    """
    orphans = find_orphans(database, files, grace_seconds=grace_seconds)
    freed = [
        files.remove_if(sha256, partial(is_orphan, database, sha256, identity))
        for sha256, identity in orphans.items()
    ]
    return sum(size_bytes > 0 for size_bytes in freed), sum(freed)


def measure_age_from(database: Database) -> float:
    """Return the time, in Unix seconds, from which the age of a file counts.

    It is this machine's clock or the installation's calendar, whichever is behind: a clock that
    leaps forward must not make everything old.
    """
    with database.once() as connection:
        return min(time.time(), read_calendar(connection))


def remove_broken_uploads(
    files: LocalFiles, *, grace_seconds: float, now: float | None = None
) -> tuple[int, int]:
    """Remove uploads that were not written to for this long, and return (files, bytes).

    ``now`` is in Unix seconds; this machine's clock by default.
    """
    before = (time.time() if now is None else now) - grace_seconds
    count = freed_bytes = 0
    for path, stat in files.walk_incoming():
        if stat.st_mtime <= before:
            path.unlink(missing_ok=True)
            count += 1
            freed_bytes += stat.st_size
    return count, freed_bytes
