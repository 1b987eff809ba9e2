"""How the relay looks after many rows: no one of them keeps the others waiting."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from cinemill.errors import DependencyUnavailable, LockTimeout, NotFound
from cinemill.storage.database import Connection, Database, limit_lock_wait
from cinemill.telemetry import get_logger

SWEEP_LOCK_SECONDS = 0.02
"""How long the sweeper waits for one job's row. A locked row is left to the next sweep."""
MOST_LOCKED = 100
"""Rows that a sweep waits for in vain before it leaves the rest to the next: two seconds in all."""

log = get_logger(__name__)

Item = TypeVar("Item")


@contextmanager
def begin_briefly(database: Database) -> Iterator[Connection]:
    """Begin a transaction that waits for locks only briefly: other jobs need attention too."""
    with database.begin() as connection:
        limit_lock_wait(connection, SWEEP_LOCK_SECONDS)
        yield connection


def do_each(items: Sequence[Item], do: Callable[[Item], bool]) -> int:
    """Apply it to every item by itself; return to how many it was applied.

    One that is locked, gone or broken keeps none of the others waiting. They come in another
    order each time, so that no hundred that are locked can block the others forever.
    """
    done = locked = 0
    for item in random.sample(items, len(items)):
        try:
            done += do(item)
        except LockTimeout:
            locked += 1
            if locked >= MOST_LOCKED:
                break
        except NotFound:
            continue  # its job was deleted just now
        except DependencyUnavailable:
            raise
        except Exception:
            log.exception("one was left out", item=str(item))
    if locked:
        log.warning("rows are locked by another transaction", count=locked)
    return done
