"""Ids: in the order of time for the database, and short for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import text

from cinemill.storage.database import Database
from cinemill.storage.ids import make_id

MANY = 200
SHORT = 8
"""As many digits does the command line show of an id."""


def make_in_database(database: Database) -> list[str]:
    made = []
    for _ in range(MANY):
        with database.once() as connection:
            made.append(str(connection.execute(text("SELECT make_id()")).scalar_one()))
    return made


def make_here(_unused: Database) -> list[str]:
    made = []
    for _ in range(MANY):
        made.append(make_id())
        time.sleep(0.0005)  # jobs are further apart: each is a transaction
    return made


Make = Callable[[Database], list[str]]


@pytest.mark.parametrize("make", [make_here, make_in_database])
def test_short_ids_of_many_jobs_differ(migrated: Database, make: Make) -> None:
    made = make(migrated)
    assert max(Counter(one[:SHORT] for one in made).values()) <= 4
    assert {UUID(one).version for one in made} == {8}
    assert {UUID(one).variant for one in made} == {"specified in RFC 4122"}
    assert len({one[SHORT:] for one in made}) == MANY


@pytest.mark.parametrize("make", [make_here, make_in_database])
def test_ids_are_in_the_order_of_time(migrated: Database, make: Make) -> None:
    ticks = [int(one[:SHORT], 16) for one in make(migrated)]
    steps = [(after - before) % 2**32 for before, after in pairwise(ticks)]
    # A clock that is set while this runs makes one step the wrong one, not most of them.
    assert sum(step < 2**31 for step in steps) >= len(steps) - 1


def test_database_and_process_count_alike(migrated: Database) -> None:
    (there, here) = make_in_database(migrated)[-1], make_id()
    assert (int(here[:SHORT], 16) - int(there[:SHORT], 16)) % 2**32 < 4000 * 3600
