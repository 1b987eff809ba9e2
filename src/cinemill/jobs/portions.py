"""Deletion of many rows: in portions, each a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable

from cinemill.errors import LockTimeout
from cinemill.storage.database import Connection, Database
from cinemill.telemetry import get_logger

PORTION_ROWS = 500
"""With all that is deleted with them, well within a statement's time."""
MOST_ROWS = 500_000
"""In one go. What is left is found by the next."""

log = get_logger(__name__)

Delete = Callable[[Connection, int], int]
"""Deletes at most so many rows and returns how many. It must not meet the same rows again."""


def delete_in_portions(
    database: Database, delete: Delete, *, portion_rows: int = PORTION_ROWS, most: int = MOST_ROWS
) -> int:
    """Delete until nothing is left, or ``most`` are deleted; return how many.

    What was deleted stays deleted if a later portion fails. Raises LockTimeout where another
    transaction holds up the first portion; one that holds up a later one ends it early.
    """
    deleted = 0
    while deleted < most:
        limit = min(portion_rows, most - deleted)
        try:
            with database.begin() as connection:
                count = delete(connection, limit)
        except LockTimeout:
            if not deleted:
                raise
            log.info("rows are locked; the rest is deleted the next time", deleted=deleted)
            break
        deleted += count
        if count < limit:
            break
    return deleted
