"""A turn of the relay costs as much as it publishes, however many runs of however many wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from tests.integration.jobs.engine import Engine
from tests.integration.storage import rows

from cinemill.jobs.planning.turns import TurnPlanner
from cinemill.storage import turns
from cinemill.storage.clock import RELEASED_AT_ONCE
from cinemill.storage.database import Database
from cinemill.storage.jobs import dispatch
from cinemill.storage.jobs.ready_steps import LOOKED_AT_ONCE
from cinemill.storage.turns import Search

WINDOW = 16
OWNERS = 500
QUEUED = 20_000
PORTION = 2000
SEARCH: dict[str, Any] = {
    "queue": "default",
    "priority": 5,
    "passed": [],
}

_QUEUE = """
WITH accepted AS (
    INSERT INTO job (id, kind, owner, priority, request_digest, announced)
    SELECT make_id(), 'work', 'owner-' || number % :owners, 5, '', true
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number RETURNING id, owner
), planned AS (
    INSERT INTO step (id, job_id, position, name, kind, queue, state, max_failures, max_crashes)
    SELECT make_id(), id, 0, 'work', 'work', 'default', 'queued', 3, 3
    FROM accepted RETURNING id, job_id
)
INSERT INTO run (id, step_id, job_id, owner, kind, queue, priority, attempt, delay_seconds,
                 delay_ends)
SELECT make_id(), planned.id, accepted.id, accepted.owner, :kind, 'default', 5, 1, :delay,
       CASE WHEN :delay > 0 THEN '-Infinity'::float8 END
FROM planned JOIN accepted ON accepted.id = planned.job_id
"""


def queue_many(
    database: Database,
    count: int = QUEUED,
    *,
    owners: int = OWNERS,
    kind: str = "work",
    delay: float = 0,
) -> None:
    for begun in range(0, count, PORTION):
        values = {"first": begun + 1, "last": min(count, begun + PORTION)}
        rows.change(database, _QUEUE, **values, owners=owners, kind=kind, delay=delay)
    with database.once() as connection:
        connection.execute(text("ANALYZE run"))


@pytest.fixture
def emptied(engine: Engine) -> Iterator[Engine]:
    """An engine whose rows are so many in the end that a DELETE would take long."""
    yield engine
    with engine.database.begin() as connection:
        connection.execute(text("TRUNCATE asset, job CASCADE"))


@pytest.fixture
def many(emptied: Engine) -> Engine:
    queue_many(emptied.database)
    return emptied


def count_locked(database: Database) -> int:
    """Count rows that a transaction locked and did not change, since they were written."""
    with database.begin() as connection:
        query = text("SELECT count(*) FROM run WHERE xmax <> 0")
        return int(connection.execute(query).scalar_one())


def count_statements(database: Database, act: Any) -> int:
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(database._engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(database._engine, "before_cursor_execute", note)
    return len(sent)


def count_rows_read(database: Database, statement: str, **values: object) -> int:
    """Count the rows that the nodes of a plan which read the table of runs have returned."""

    def walk(plan: Any) -> Iterator[float]:
        if plan.get("Relation Name") == "run":
            removed = plan.get("Rows Removed by Filter", 0)
            yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
        for child in plan.get("Plans", ()):
            yield from walk(child)

    with database.begin() as connection:
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (found,) = connection.execute(explained, values).scalar_one()
    return int(sum(walk(found["Plan"])))


def test_turn_locks_only_what_it_publishes(many: Engine) -> None:
    # The engine's clock is read, and written in two statements; the rest plans and publishes.
    assert count_statements(many.database, many.dispatcher.publish_ready) <= 3 + 8
    assert len(many.post.sent) == WINDOW
    assert count_locked(many.database) <= WINDOW
    for ready in many.post.sent[:3]:
        many.claim(ready)
    before = count_locked(many.database)
    assert many.dispatcher.publish_ready() == 3
    assert count_locked(many.database) <= before + 3
    before = count_locked(many.database)
    assert count_statements(many.database, many.dispatcher.publish_ready) <= 4
    assert count_locked(many.database) == before


def test_turn_reads_few_rows_of_many(many: Engine) -> None:
    for after in ("", "owner-250", "zzz"):
        search = {**SEARCH, "after": after}
        read = count_rows_read(many.database, turns._FIND, **search, owners=20, per_owner=4)
        assert read <= 20 + 20 * 4 + 40


@pytest.mark.parametrize("is_crowd", [False, True])
def test_turn_reads_no_rows_of_a_kind_whose_rate_is_used_up(many: Engine, is_crowd: bool) -> None:
    """PostgreSQL does not know how rare a kind is: it looked for it among all that wait."""
    rows.change(many.database, "UPDATE run SET is_crowd = :crowd", crowd=is_crowd)
    queue_many(many.database, 40, owners=4, kind="urgent")
    search = {**SEARCH, "after": "owner-250", "without_kinds": ["work"]}
    read = count_rows_read(many.database, turns._FIND_OF_KINDS, **search, owners=20, per_owner=4)
    assert read <= 3 + 2 * 5 + 4 * 4 + 40


AFTER, ROOM = st.sampled_from(["", "owner-0", "owner-1", "owner-3", "zzz"]), st.integers(1, 6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(after=AFTER, owners=ROOM, per_owner=ROOM)
def test_runs_are_the_same_whether_looked_for_by_kind_or_not(
    mixed: Engine, after: str, owners: int, per_owner: int
) -> None:
    def find(*without: str) -> list[dispatch.ReadyRun]:
        search = Search(
            "default", 5, after=after, owners=owners, per_owner=per_owner, without_kinds=without
        )
        with mixed.database.begin() as connection:
            return turns.list_ready(connection, search)

    assert find("none of these") == find()
    assert {run.kind for run in find("work", "rare")} == {"urgent"}


@pytest.fixture
def mixed(engine: Engine) -> Engine:
    """An engine with runs of three kinds and five owners, some of them crowds."""
    for kind, count in (("work", 25), ("urgent", 15), ("rare", 3), ("work", 10)):
        queue_many(engine.database, count, owners=5, kind=kind)
    rows.change(engine.database, "UPDATE run SET is_crowd = turn % 3 = 0")
    rows.change(engine.database, "UPDATE run SET owner = '' WHERE owner = 'owner-4'")
    return engine


def test_runs_that_wait_for_a_time_are_not_read(many: Engine) -> None:
    rows.change(many.database, "UPDATE run SET delay_seconds = 3600, delay_ends = 'Infinity'")
    late = many.submit(1, owner="zoe")
    search = {**SEARCH, "after": ""}
    read = count_rows_read(many.database, turns._FIND, **search, owners=20, per_owner=4)
    assert read <= 4
    assert many.dispatcher.publish_ready() == 1
    assert many.post.sent[0].owner == "zoe"
    assert late[0].owner == "zoe"


def test_owners_go_round_from_where_the_last_turn_stopped(engine: Engine) -> None:
    queue_many(engine.database, 300, owners=100)
    while len(engine.post.sent) < 200:
        engine.dispatcher.publish_ready()
        for ready in list(engine.post.lying):
            engine.finish(ready)
    turns_taken = Counter(run.owner for run in engine.post.sent[:200])
    assert len(turns_taken) == 100
    assert max(turns_taken.values()) <= 3
    first_round = Counter(run.owner for run in engine.post.sent[:96])
    assert max(first_round.values()) == 1


def test_owner_who_comes_is_served_before_those_who_hold_something(engine: Engine) -> None:
    queue_many(engine.database, 60, owners=10)
    engine.dispatcher.publish_ready()
    engine.submit(9, owner="owner-55")
    for ready in engine.post.sent[:1]:
        engine.claim(ready)
    engine.dispatcher.publish_ready()
    assert engine.post.sent[-1].owner == "owner-55"


def test_urgent_run_of_one_owner_among_many_goes_at_once(many: Engine) -> None:
    many.dispatcher.publish_ready()
    many.submit(1, owner="owner-499x", priority=9)
    assert many.dispatcher.publish_ready() == 1
    assert many.post.sent[-1].priority == 9


def test_others_go_in_the_place_of_runs_that_are_held(engine: Engine) -> None:
    jobs = engine.submit(40, owner="ann")
    held = [rows.queued_runs(engine.database, job.id)["work"] for job in jobs[:20]]
    lock = "SELECT 1 FROM run WHERE id = ANY(:ids) FOR UPDATE"
    with rows.locked(engine.database, lock, ids=held):
        assert engine.dispatcher.publish_ready() == WINDOW
    assert not {run.id for run in engine.post.sent} & set(held)


def test_wide_window_is_filled_evenly(engine: Engine) -> None:
    """Each owner's line is read only as far as it is needed."""
    queue_many(engine.database, 900, owners=3)
    planner = turns_of(engine, window=300)
    assert Counter(run.owner for run in planner) == {f"owner-{n}": 100 for n in range(3)}


def turns_of(engine: Engine, *, window: int) -> list[dispatch.ReadyRun]:
    with engine.database.begin() as connection:
        return list(TurnPlanner(window).choose(connection, "default", [5]))


def test_what_became_due_is_released_in_portions(engine: Engine) -> None:
    queue_many(engine.database, 2 * RELEASED_AT_ONCE + 100, delay=3600)
    rows.change(engine.database, "UPDATE run SET delay_seconds = 0, delay_ends = 0")
    left = []
    for _ in range(3):
        engine.dispatcher.publish_ready()
        with engine.database.begin() as connection:
            query = text("SELECT count(*) FROM run WHERE delay_ends IS NOT NULL")
            is_due = engine.dispatcher.measure_next_turn() == 0
            left.append((connection.execute(query).scalar_one(), is_due))
    assert left == [(RELEASED_AT_ONCE + 100, True), (100, True), (0, False)]
    assert len(engine.post.sent) == WINDOW


def test_unknown_kinds_are_looked_for_in_portions(many: Engine) -> None:
    queue_many(many.database, 30, kind="gone")
    held, looks = 0, 0
    while held < 30 and looks <= QUEUED // LOOKED_AT_ONCE + 1:
        held += many.dispatcher.hold_unknown()
        looks += 1
    assert held == 30
    assert looks > 5


def test_cancels_are_finished_in_portions(emptied: Engine) -> None:
    queue_many(emptied.database, 1200)
    rows.change(emptied.database, "UPDATE job SET cancel_requested_at = now(), cancel_reason = ''")
    finished = [emptied.dispatcher.finish_cancels() for _ in range(4)]
    assert sum(finished) == 1200
    assert max(finished) <= dispatch.CANCELLED_AT_ONCE
