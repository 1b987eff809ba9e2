"""Work on an embedding model that one worker at a time does, in the whole installation.

The lock is the session's: it is released when the connection is closed, and a worker that is killed
leaves it to nobody.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, text


class ModelWork(IntEnum):
    """What is locked; the number is the first half of the lock's key."""

    INDEX = 0x43494E01
    """Building the index."""
    FILL = 0x43494E02
    """Embedding what all videos lack."""
    PROJECT = 0x43494E03
    """Bringing a projection up to date."""


def try_lock_model(connection: Connection, work: ModelWork, model_id: int) -> bool:
    """Lock this work on a model until the connection is closed; return whether it was free.

    There is no variant that waits: a statement that waits for a lock has a snapshot, and whoever
    builds an index concurrently waits for all snapshots, so that the two would wait for each other.
    """
    query = text("SELECT pg_try_advisory_lock(:work, :model)")
    values = {"work": work.value, "model": model_id}
    return bool(connection.execute(query, values).scalar_one())
