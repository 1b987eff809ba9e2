"""Marks of the assets that are to be deleted.

A mark is when the deletion can no longer be undone, on the engine's clock. The row stays until it
is carried out, so that whatever dies in between, another process finds it.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.errors import Conflict, NotFound
from cinemill.storage.clock import LAG_SECONDS


def mark(connection: Connection, asset_id: str, *, undo_seconds: float) -> None:
    """Mark an asset as to be deleted in so many seconds; 0 is at once.

    One that is marked already is deleted at the earlier time. Raises NotFound.
    """
    lag_seconds = LAG_SECONDS if undo_seconds > 0 else 0.0
    marked = connection.execute(
        text(
            """
            UPDATE asset SET deletion_ends = least(deletion_ends, engine_seconds() + :seconds)
            WHERE id = :id
            """
        ),
        {"id": asset_id, "seconds": undo_seconds + lag_seconds},
    )
    if marked.rowcount == 0:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")


def unmark(connection: Connection, asset_id: str) -> bool:
    """Keep a marked asset whose time has not come; return whether it is kept."""
    kept = connection.execute(
        text(
            """
            UPDATE asset SET deletion_ends = NULL
            WHERE id = :id AND (deletion_ends IS NULL OR deletion_ends > engine_seconds())
            """
        ),
        {"id": asset_id},
    )
    return kept.rowcount == 1


def require_lasting(connection: Connection, asset_id: str) -> None:
    """Raise Conflict (``asset_being_deleted``) for an asset of which no more is to be made."""
    query = text("SELECT 1 FROM asset WHERE id = :id AND deletion_ends IS NOT NULL")
    if connection.execute(query, {"id": asset_id}).first() is not None:
        raise refuse_leaving(asset_id)


def refuse_leaving(asset_id: str) -> Conflict:
    """Return the refusal of work on an asset that is about to be deleted."""
    return Conflict(
        f"Video {asset_id} is being deleted.",
        code="asset_being_deleted",
        hint=f"While there is time, POST /api/v1/assets/{asset_id}/restore keeps it.",
    )


def list_due(connection: Connection, *, limit: int) -> list[str]:
    """Return at most so many assets whose time has come, in any order.

    Not the oldest first: those that something needs may wait for long, and hold up no others.
    """
    query = text(
        """
        SELECT id FROM asset WHERE deletion_ends <= engine_seconds()
        ORDER BY random() LIMIT :limit
        """
    )
    return list(connection.execute(query, {"limit": limit}).scalars())


def lock_due(connection: Connection, asset_id: str) -> bool | None:
    """Lock the asset's row until the transaction ends.

    Returns whether its time has come, or None where there is no such asset.
    """
    query = text(
        """
        SELECT coalesce(deletion_ends <= engine_seconds(), false) FROM asset
        WHERE id = :id FOR UPDATE
        """
    )
    found = connection.execute(query, {"id": asset_id}).scalar_one_or_none()
    return None if found is None else bool(found)


def find_user(connection: Connection, asset_id: str) -> str | None:
    """Return the oldest unfinished job of something else that names the asset, as a render does.

    In its parameters, in a step's result, or in the call that it is to begin with once others have
    ended. What the asset's own jobs have submitted, and what waits for them, ends with them, and
    does not count.
    """
    query = text(
        """
        SELECT job.id FROM job LEFT JOIN job AS parent ON parent.id = job.parent_id
        WHERE job.state IN ('pending', 'running')
          AND job.asset_id IS DISTINCT FROM :asset_id
          AND parent.asset_id IS DISTINCT FROM :asset_id
          AND (strpos(job.params::text, :asset_id) > 0 OR EXISTS (
              SELECT FROM step
              WHERE step.job_id = job.id AND strpos(step.result::text, :asset_id) > 0)
            OR EXISTS (
              SELECT FROM job_wait
              WHERE job_wait.job_id = job.id AND strpos(job_wait.call::text, :asset_id) > 0))
          AND NOT EXISTS (
              SELECT FROM job_dependency JOIN job AS before ON before.id = job_dependency.depends_on
              WHERE job_dependency.job_id = job.id AND before.asset_id = :asset_id)
        ORDER BY job.queued_at, job.id LIMIT 1
        """
    )
    found: str | None = connection.execute(query, {"asset_id": asset_id}).scalar_one_or_none()
    return found
