"""Rows of messages that became no job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from cinemill.core.dead_messages import LONGEST_EXCERPT, DeadMessage
from cinemill.core.job import Failure
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage import tables
from cinemill.storage.jobs.job_rows import read_failure

MOST_ROWS = 10_000
"""A flood of broken messages must not fill the disk: the oldest are dropped. 2 kB each at most."""
_FIRST_READABLE = datetime(2, 1, 1, tzinfo=UTC)
_LAST_READABLE = datetime(9998, 12, 31, tzinfo=UTC)
"""PostgreSQL knows times before and after those of Python."""


def insert_dead_message(connection: Connection, message: DeadMessage) -> None:
    """Nothing where there is one of this id."""
    values = {
        "id": message.id,
        "queue": message.queue,
        "task": message.task,
        "task_id": message.task_id,
        "failure": message.failure.to_json(),
        "excerpt": message.excerpt,
        "size_bytes": message.size_bytes,
        "received_at": message.received_at,
    }
    connection.execute(insert(tables.dead_message).values(values).on_conflict_do_nothing())


def list_dead_messages(
    connection: Connection, *, after: PagePosition | None = None, limit: int = 100
) -> list[DeadMessage]:
    """Return messages, latest first; those ``after`` a position.

    Never raises for what a row holds: one must not hide all the others.
    """
    column = tables.dead_message.c
    query = select(*_listed_columns()).order_by(column.received_at.desc(), column.id.desc())
    if after is not None:
        same = select(column.received_at).where(column.id == after.id, _readable_time() == after.at)
        at = func.coalesce(same.scalar_subquery(), after.at)
        query = query.where(tuple_(column.received_at, column.id) < tuple_(at, after.id))
    return [
        DeadMessage(**{**row, "failure": _read_failure(row["failure"])})
        for row in connection.execute(query.limit(limit)).mappings()
    ]


def _listed_columns() -> list[Any]:
    column = tables.dead_message.c
    return [
        *(column[name] for name in ("id", "queue", "task", "task_id", "failure", "size_bytes")),
        func.left(column.excerpt, LONGEST_EXCERPT).label("excerpt"),
        _readable_time().label("received_at"),
    ]


def _readable_time() -> Any:
    received_at = tables.dead_message.c.received_at
    is_readable = received_at.between(_FIRST_READABLE, _LAST_READABLE)
    return case((is_readable, received_at), else_=func.to_timestamp(0))


def _read_failure(document: Any) -> Failure:
    # JSON's null is no SQL NULL.
    return read_failure(document or {}) or Failure("failure_unknown", "")


def delete_dead_message(connection: Connection, message_id: str) -> None:
    """Delete a dead message. Raises NotFound."""
    gone = delete(tables.dead_message).where(tables.dead_message.c.id == message_id)
    if connection.execute(gone).rowcount == 0:
        raise NotFound(
            f"There is no dead message {message_id}.",
            code="dead_message_not_found",
            hint="List the dead letters; it may have been dropped already.",
        )


def prune_dead_messages(
    connection: Connection, *, older_than_days: float | None = None, most_rows: int = MOST_ROWS
) -> int:
    """Delete all but the latest, and those older than so many days; return how many.

    Never waits for a lock, as the relay calls it: what another transaction holds is left.
    """
    dropped = connection.execute(
        text(
            """
            DELETE FROM dead_message WHERE id = ANY (ARRAY(
                SELECT id FROM dead_message WHERE id = ANY (ARRAY(
                    SELECT id FROM dead_message ORDER BY received_at DESC, id DESC OFFSET :most))
                FOR UPDATE SKIP LOCKED))
            """
        ),
        {"most": most_rows},
    ).rowcount
    if older_than_days is not None:
        dropped += connection.execute(
            text(
                """
                DELETE FROM dead_message WHERE id = ANY (ARRAY(
                    SELECT id FROM dead_message
                    WHERE received_at < calendar_time() - make_interval(secs => :age)
                    FOR UPDATE SKIP LOCKED))
                """
            ),
            {"age": older_than_days * 86400},
        ).rowcount
    return dropped
