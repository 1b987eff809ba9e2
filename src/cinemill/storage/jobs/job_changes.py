"""What is changed of a job as a whole: the assets that it is about or quotes, and its deletion."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, delete, text
from sqlalchemy.exc import IntegrityError

from cinemill.errors import NotFound
from cinemill.storage import tables
from cinemill.storage.jobs.waiting import followers


def assign_asset(connection: Connection, job_id: str, asset_id: str, *, filename: str = "") -> None:
    """Note which asset a job that began with a path is about, and the name that it has there.

    Raises NotFound (``asset_not_found``) where the asset was deleted meanwhile.
    """
    # Where all is known already nothing is changed: a transaction changes the row once, see
    # ``recovery.request_cancel``.
    statement = text(
        """
        UPDATE job SET asset_id = :asset_id, filename = coalesce(nullif(:filename, ''), filename)
        WHERE id = :id AND (asset_id IS DISTINCT FROM :asset_id
                            OR filename <> coalesce(nullif(:filename, ''), filename))
        """
    )
    try:
        connection.execute(statement, {"id": job_id, "asset_id": asset_id, "filename": filename})
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found") from error


def record_quotations(connection: Connection, job_id: str, asset_ids: Collection[str]) -> None:
    """Record which assets the result of a job quotes: it is removed with the first that is deleted.

    To be called in the transaction that stores the result. Raises NotFound (``asset_not_found``)
    where one of them was deleted meanwhile.
    """
    statement = text(
        """
        INSERT INTO job_quotation (job_id, asset_id)
        SELECT :job_id, asset_id FROM unnest(CAST(:asset_ids AS text[])) AS asset_id
        ON CONFLICT DO NOTHING
        """
    )
    # In one order for everybody: each row waits for whoever is deleting its asset.
    values = {"job_id": job_id, "asset_ids": sorted(set(asset_ids))}
    try:
        connection.execute(statement, values)
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(
            "A video that was found was deleted meanwhile.",
            code="asset_not_found",
            hint="Send the task again.",
        ) from error


def delete_job(connection: Connection, job_id: str) -> bool:
    followers.note_deletion(connection, [job_id])
    return connection.execute(delete(tables.job).where(tables.job.c.id == job_id)).rowcount == 1


def delete_old_jobs(connection: Connection, *, older_than_days: float, limit: int = 1000) -> int:
    """Delete jobs that ended more than so many days ago, the first first; return how many.

    At most ``limit``. A job that another transaction holds, or whose cancel has not reached all of
    its children, stays until the next time.
    """
    old = connection.execute(
        text(
            """
            SELECT id FROM job
            WHERE finished_at < calendar_time() - make_interval(secs => :age)
              AND NOT must_cancel_children
            ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED
            """
        ),
        {"age": older_than_days * 86400, "limit": limit},
    )
    ids = [row.id for row in old]
    followers.note_deletion(connection, ids)
    return connection.execute(text("DELETE FROM job WHERE id = ANY(:ids)"), {"ids": ids}).rowcount


def count_old_jobs(connection: Connection, *, older_than_days: float, most: int) -> int:
    """Return how many jobs ended more than so many days ago, and ``most`` where there are more."""
    counted = connection.execute(
        text(
            """
            SELECT count(*) FROM (
                SELECT FROM job
                WHERE finished_at < calendar_time() - make_interval(secs => :age)
                LIMIT :most) AS old
            """
        ),
        {"age": older_than_days * 86400, "most": most},
    )
    return int(counted.scalar_one())
