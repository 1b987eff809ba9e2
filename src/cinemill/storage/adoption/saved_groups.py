"""Groups of jobs that clients of Celery saved, to find their results again by one id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from cinemill.storage.json_columns import json_parameter

KEPT_DAYS = 30
"""Celery keeps a group for a day, unless it is told otherwise."""


def save_group(connection: Connection, group_id: str, result: Any) -> None:
    """Store what a group consists of, as JSON, in place of what was saved by this id before.

    Groups that were saved long ago are forgotten.
    """
    connection.execute(
        text(
            "DELETE FROM saved_group WHERE saved_at < clock_timestamp() - make_interval(days => :d)"
        ),
        {"d": KEPT_DAYS},
    )
    connection.execute(
        text(
            """
            INSERT INTO saved_group (id, result) VALUES (:id, :result)
            ON CONFLICT (id) DO UPDATE
            SET result = excluded.result, saved_at = excluded.saved_at
            """
        ).bindparams(json_parameter("result")),
        {"id": group_id, "result": result},
    )


def read_group(connection: Connection, group_id: str) -> Any:
    """Return what a saved group consists of; None where none was saved by this id."""
    query = text("SELECT result FROM saved_group WHERE id = :id")
    return connection.execute(query, {"id": group_id}).scalar_one_or_none()


def delete_group(connection: Connection, group_id: str) -> None:
    """Forget a saved group; its jobs stay."""
    connection.execute(text("DELETE FROM saved_group WHERE id = :id"), {"id": group_id})
