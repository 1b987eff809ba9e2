"""What is changed of a job as a whole: its asset is set, and it is deleted."""

from __future__ import annotations

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, delete, text
from sqlalchemy.exc import IntegrityError

from cinemill.errors import NotFound
from cinemill.storage import tables


def assign_asset(connection: Connection, job_id: str, asset_id: str) -> None:
    """Note which asset a job that began with a path is about.

    Raises NotFound (``asset_not_found``) where the asset was deleted meanwhile.
    """
    statement = text("UPDATE job SET asset_id = :asset_id WHERE id = :id")
    try:
        connection.execute(statement, {"id": job_id, "asset_id": asset_id})
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found") from error


def delete_job(connection: Connection, job_id: str) -> bool:
    return connection.execute(delete(tables.job).where(tables.job.c.id == job_id)).rowcount == 1


def delete_old_jobs(connection: Connection, *, older_than_days: float) -> int:
    """Delete jobs that ended more than so many days ago and return how many.

    A job that another transaction holds stays until the next time.
    """
    return connection.execute(
        text(
            """
            DELETE FROM job WHERE id IN (
                SELECT id FROM job
                WHERE finished_at < clock_timestamp() - make_interval(secs => :age)
                FOR UPDATE SKIP LOCKED)
            """
        ),
        {"age": older_than_days * 86400},
    ).rowcount
