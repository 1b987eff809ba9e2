"""Periodic work in portions: many rows are deleted, counted and listed with a bounded effort."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from tests.integration.jobs.engine import Engine
from tests.integration.jobs.test_turns import count_statements, queue_many
from tests.integration.storage import rows

from cinemill.capabilities.operations import retention, watchdog
from cinemill.errors import DatabaseUnavailable, JobCancelled, LockTimeout
from cinemill.jobs import portions
from cinemill.jobs.portions import PORTION_ROWS, delete_in_portions, report_deletions
from cinemill.jobs.step import StepContext
from cinemill.storage.database import Database
from cinemill.storage.jobs import job_changes, statistics

OLD = 20_000
FEW = 200

_END = """
UPDATE job SET state = 'completed', started_at = queued_at,
       finished_at = now() - interval '40 days'
"""


@pytest.fixture
def old(engine: Engine) -> Iterator[Database]:
    """A database with many jobs that ended long ago."""
    queue_many(engine.database, OLD)
    rows.change(engine.database, "DELETE FROM run")
    rows.change(engine.database, _END)
    yield engine.database
    with engine.database.begin() as connection:
        connection.execute(text("TRUNCATE asset, job CASCADE"))


def count_jobs(database: Database) -> int:
    with database.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM job")).scalar_one())


def test_old_jobs_are_deleted_in_portions_and_the_rest_the_next_time(old: Database) -> None:
    sizes = []

    def delete(connection: object, limit: int) -> int:
        sizes.append(job_changes.delete_old_jobs(connection, older_than_days=30, limit=limit))  # type: ignore[arg-type]
        return sizes[-1]

    assert delete_in_portions(old, delete, most=5 * PORTION_ROWS) == 5 * PORTION_ROWS
    assert sizes == [PORTION_ROWS] * 5
    assert retention.count_old_jobs(old, 30) == OLD - 5 * PORTION_ROWS
    assert delete_in_portions(old, delete) == OLD - 5 * PORTION_ROWS
    assert max(sizes) == PORTION_ROWS
    assert count_jobs(old) == 0


def test_what_was_deleted_stays_deleted_when_a_later_portion_fails(old: Database) -> None:
    calls = []

    def delete(connection: object, limit: int) -> int:
        calls.append(limit)
        count = job_changes.delete_old_jobs(connection, older_than_days=30, limit=limit)  # type: ignore[arg-type]
        if len(calls) == 3:
            raise LockTimeout("Another transaction holds the rows.")
        return count

    assert delete_in_portions(old, delete) == 2 * PORTION_ROWS
    assert count_jobs(old) == OLD - 2 * PORTION_ROWS


def test_first_portion_that_is_held_up_is_reported(old: Database) -> None:
    def delete(_connection: object, _limit: int) -> int:
        raise LockTimeout("Another transaction holds the rows.")

    with pytest.raises(LockTimeout):
        delete_in_portions(old, delete)


def test_portion_that_takes_too_long_is_followed_by_smaller_ones(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 jobs of a thousand steps each ran into the limit of a statement, again and again."""
    monkeypatch.setattr(portions, "PORTION_SECONDS", 1.0)
    queue_many(engine.database, FEW)
    rows.change(engine.database, "DELETE FROM run")
    rows.change(engine.database, _END)
    sizes = []

    def delete(connection: Connection, limit: int) -> int:
        if limit > FEW // 2:
            connection.execute(text("SELECT pg_sleep(60)"))
        count = job_changes.delete_old_jobs(connection, older_than_days=30, limit=limit)
        sizes.append(count)
        return count

    assert delete_in_portions(engine.database, delete) == FEW == sum(sizes)
    assert max(sizes) <= FEW // 2
    assert count_jobs(engine.database) == 0


def test_server_that_is_gone_is_asked_for_no_smaller_portion(engine: Engine) -> None:
    asked = []

    def delete(_connection: Connection, limit: int) -> int:
        asked.append(limit)
        raise DatabaseUnavailable("PostgreSQL does not respond.")

    with pytest.raises(DatabaseUnavailable):
        delete_in_portions(engine.database, delete)
    assert asked == [PORTION_ROWS]


def test_deletion_reports_each_portion_and_can_be_stopped(old: Database, tmp_path: Path) -> None:
    """A step that reports nothing for two minutes was stopped, and its process killed."""
    reported: list[str] = []
    stop = JobCancelled("Cancelled.")
    run: Any = None
    context = StepContext(
        run,
        tmp_path,
        lambda _fraction, message: reported.append(message),
        lambda: stop if len(reported) == 2 else None,
        memory_bytes=1 << 30,
    )
    with pytest.raises(JobCancelled):
        retention.delete_old_jobs(old, 30, report_deletions(context, "jobs"))
    assert reported == ["500 jobs deleted", "1,000 jobs deleted"]
    assert count_jobs(old) == OLD - 3 * PORTION_ROWS


def test_stuck_jobs_are_reported_in_one_line_and_a_short_result(engine: Engine) -> None:
    queue_many(engine.database, OLD)
    rows.change(engine.database, "UPDATE job SET queued_at = now() - interval '3 hours'")
    found: list[watchdog.StuckJobs] = []
    asked = count_statements(
        engine.database, lambda: found.append(watchdog.log_stuck_jobs(engine.database, 2))
    )
    assert asked == 2
    (stuck,) = found
    assert len(stuck.ids) == watchdog.MOST_LISTED
    assert stuck.more == OLD - watchdog.MOST_LISTED
    assert len(json.dumps(stuck.ids)) < 4096
    assert watchdog.log_stuck_jobs(engine.database, 4) == watchdog.StuckJobs((), 0)
    with engine.database.begin() as connection:
        connection.execute(text("TRUNCATE asset, job CASCADE"))


def test_figures_are_made_of_the_latest_jobs(
    old: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "MOST_MEASURED", 1000)
    with old.begin() as connection:
        (measured,) = statistics.measure_durations(connection).values()
    assert measured["count"] == 1000


def test_all_jobs_are_counted_in_one_pass(old: Database) -> None:
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    with old.begin() as connection:
        event.listen(connection, "before_cursor_execute", note)
        counted = statistics.count_jobs(connection)
    assert len([statement for statement in sent if "FROM job" in statement]) == 1
    assert counted["total"] == OLD == counted["by_type"]["work"]
    assert counted["by_status"] == {"completed": OLD}
