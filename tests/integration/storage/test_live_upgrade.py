"""A database with live work is upgraded: what was queued goes out, in its order, at its time."""

from __future__ import annotations

import json
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import text
from tests.integration.storage import rows

from cinemill.storage import clock, turns
from cinemill.storage.database import Database, migrate
from cinemill.storage.turns import Search

BEFORE_THE_ENGINE_CLOCK = "0022"
_JOB = """
INSERT INTO job (id, kind, owner, state, priority, params, request_digest)
VALUES (:id, :kind, 'ann', :state, 5, CAST(:params AS jsonb), '')
"""
_STEP = """
INSERT INTO step (id, job_id, position, name, kind, queue, state, max_failures, max_crashes)
VALUES (:id, :id, 0, 'work', 'work', 'default', :state, 3, 3)
"""
_RUN = """
INSERT INTO run (id, step_id, job_id, owner, kind, queue, priority, state, attempt, run_at, turn_at)
VALUES (:id, :id, :id, 'ann', 'work', 'default', 5, :state, 1,
        now() + make_interval(secs => :wait), now() + make_interval(secs => :turn))
"""


def add_run(
    database: Database, name: str, *, state: str = "queued", wait: float, turn: int
) -> None:
    rows.change(database, _JOB, id=name, kind="work", state="running", params="{}")
    rows.change(database, _STEP, id=name, state=state)
    rows.change(database, _RUN, id=name, state=state, wait=wait, turn=turn)


def list_due(database: Database) -> list[str]:
    search = Search("default", 5, "", owners=9, per_owner=9)
    with database.begin() as connection:
        return [run.id for run in turns.list_ready(connection, search)]


def test_queued_work_keeps_its_order_and_its_time(empty_url: str) -> None:
    migrate(empty_url, revision=BEFORE_THE_ENGINE_CLOCK)
    database = Database(empty_url)
    add_run(database, "third", wait=-5, turn=3000)
    add_run(database, "first", wait=-5, turn=-60)
    add_run(database, "second", wait=-5, turn=-5)
    add_run(database, "delayed", wait=600, turn=-90)
    add_run(database, "running", state="running", wait=-5, turn=-95)
    migrate(empty_url)
    assert list_due(database) == ["first", "second", "third"]
    add = (
        "INSERT INTO job (id, kind, owner, priority, request_digest) VALUES (:id, '', 'ann', 5, '')"
    )
    rows.change(database, add, id="new")
    rows.change(database, _STEP, id="new", state="queued")
    rows.change(
        database,
        """
        INSERT INTO run (id, step_id, job_id, owner, kind, queue, priority, attempt)
        VALUES (:id, :id, :id, 'ann', 'work', 'default', 5, 1)
        """,
        id="new",
    )
    assert list_due(database) == ["first", "second", "third", "new"]
    with database.begin() as connection:
        clock.release_delayed(connection, 10.0)
        ends = clock.next_delay_ends(connection)
        clock.release_delayed(connection, 611.0)
    assert ends is not None
    assert 300 < ends <= 610
    assert set(list_due(database)) == {"first", "second", "third", "new", "delayed"}
    database.close()


def test_children_of_a_live_batch_know_it(empty_url: str) -> None:
    migrate(empty_url, revision=BEFORE_THE_ENGINE_CLOCK)
    database = Database(empty_url)
    batches = {
        "renders": ("batch_render", {"jobs": [{}, {}]}),
        "videos": ("batch_process_videos", {"assets": ["one", "two"]}),
        "odd": ("batch_render", {"jobs": None}),
    }
    for name, (kind, params) in batches.items():
        rows.change(database, _JOB, id=name, kind=kind, state="running", params=json.dumps(params))
    children = [str(uuid5(NAMESPACE_URL, f"{one}/{n}")) for one in batches for n in range(2)]
    for child in children:
        rows.change(database, _JOB, id=child, kind="work", state="pending", params="{}")
    migrate(empty_url)
    with database.begin() as connection:
        query = text("SELECT id, parent_id FROM job WHERE id = ANY(:ids)")
        found = {row.id: row.parent_id for row in connection.execute(query, {"ids": children})}
    database.close()
    expected = ["renders", "renders", "videos", "videos", None, None]
    assert [found[child] for child in children] == expected
