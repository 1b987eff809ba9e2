"""Deletion of many rows: in portions, each a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable

from cinemill.errors import DatabaseUnavailable, LockTimeout
from cinemill.jobs.step import StepContext
from cinemill.storage.database import Connection, Database, limit_statements
from cinemill.storage.database_faults import was_too_long
from cinemill.telemetry import get_logger

PORTION_ROWS = 500
PORTION_SECONDS = 10.0
"""A portion that takes longer is given up, and smaller ones follow. With a row goes whatever names
it: the steps of a job, or the scores of a video's frames, may be a hundred thousand."""
SHRINKAGE = 8
"""So that three portions are given up before one of a single row, which may take as long as any
statement: a step is stopped that reports nothing for two minutes."""
MOST_ROWS = 500_000
"""In one go. What is left is found by the next."""

log = get_logger(__name__)

Delete = Callable[[Connection, int], int]
"""Deletes at most so many rows and returns how many. It must not meet the same rows again."""
Note = Callable[[int], None]
"""Is called after each portion with how many are deleted by then. What it raises ends the
deletion."""


def _note_nothing(_deleted: int) -> None:
    return None


def delete_in_portions(
    database: Database,
    delete: Delete,
    *,
    portion_rows: int = PORTION_ROWS,
    most: int = MOST_ROWS,
    note: Note = _note_nothing,
) -> int:
    """Delete until nothing is left, or ``most`` are deleted; return how many.

    What was deleted stays deleted if a later portion fails. Raises LockTimeout where another
    transaction holds up the first portion; one that holds up a later one ends it early.
    """
    deleted = 0
    while deleted < most:
        limit = min(portion_rows, most - deleted)
        try:
            count = _delete_portion(database, delete, limit)
        except LockTimeout:
            if not deleted:
                raise
            log.info("rows are locked; the rest is deleted the next time", deleted=deleted)
            break
        except DatabaseUnavailable as error:
            if limit == 1 or not was_too_long(error):
                raise
            portion_rows = max(1, limit // SHRINKAGE)
            continue
        deleted += count
        note(deleted)
        if count < limit:
            break
    return deleted


def _delete_portion(database: Database, delete: Delete, limit: int) -> int:
    with database.begin() as connection:
        if limit > 1:
            limit_statements(connection, PORTION_SECONDS)
        return delete(connection, limit)


def report_deletions(context: StepContext, noun: str) -> Note:
    """Return a note that reports a step's progress, and ends the deletion where it must stop.

    ``noun`` says what is deleted, in the plural.
    """

    def note(deleted: int) -> None:
        if (stop := context.should_stop()) is not None:
            raise stop
        context.report(0.0, f"{deleted:,} {noun} deleted")

    return note
