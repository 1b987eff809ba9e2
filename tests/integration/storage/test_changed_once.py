"""Whatever ends an attempt changes the job's row once: it never waits for who holds the video.

Of a row that a transaction changes twice PostgreSQL checks the foreign keys again, and waits for
the lock of the row that it refers to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Connection
from tests.integration.storage import rows
from tests.integration.storage.rows import CHAIN, make_step

from cinemill.core.job import ClaimedRun, Job, JobState, RunState
from cinemill.errors import Postponed
from cinemill.storage.database import Database, limit_lock_wait
from cinemill.storage.jobs import dynamic_steps, job_changes, recovery, runs
from cinemill.storage.jobs.job_clock.readings import note_progress
from cinemill.storage.media import assets

PLANNED = (make_step("chunk-0"), make_step("chunk-1"))


@dataclass
class Half:
    """The first of two steps, half done, of a job with a video that a stranger holds."""

    job: Job
    run: ClaimedRun
    asset_id: str


@pytest.fixture
def half(database: Database) -> Half:
    with database.begin() as connection:
        film, _ = assets.register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
    job = rows.accept(database, CHAIN, asset_id=film.id)
    run = rows.start(database, job, "first")
    with database.once() as connection:
        note_progress(connection, run, fraction=0.5, message="Working", seconds_left=10.0)
    return Half(job, run, film.id)


def succeed(connection: Connection, half: Half) -> None:
    job = runs.lock_job_of_claim(connection, half.run)
    runs.commit_success(connection, half.run, job, {})


def grow(connection: Connection, half: Half) -> None:
    job = runs.lock_job_of_claim(connection, half.run)
    dynamic_steps.add_steps(connection, half.run, PLANNED)
    runs.commit_success(connection, half.run, job, {})


def name_the_video_and_grow(connection: Connection, half: Half) -> None:
    job = runs.lock_job_of_claim(connection, half.run)
    job_changes.assign_asset(connection, half.job.id, half.asset_id)
    dynamic_steps.add_steps(connection, half.run, PLANNED)
    runs.commit_success(connection, half.run, job, {})


def fail(connection: Connection, half: Half) -> None:
    runs.retry_later(connection, half.run, RunState.FAILED, rows.FAILURE, delay_seconds=0)


def wait(connection: Connection, half: Half) -> None:
    waiting = replace(rows.FAILURE, code=Postponed.code)
    runs.retry_later(connection, half.run, RunState.RETURNED, waiting, delay_seconds=0)


def die(connection: Connection, half: Half) -> None:
    runs.mark_dead(connection, half.run, RunState.FAILED, rows.FAILURE)


def stop(connection: Connection, half: Half) -> None:
    runs.confirm_cancel(connection, half.run)


def note(connection: Connection, half: Half) -> None:
    note_progress(connection, half.run, fraction=0.7, message="Working", seconds_left=5.0)


End = Callable[[Connection, Half], None]
ENDS: tuple[End, ...] = (
    succeed,
    grow,
    name_the_video_and_grow,
    fail,
    wait,
    die,
    stop,
    note,
)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["wanted", "cancelled"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_end_of_an_attempt_waits_for_nobody_who_holds_the_video(
    database: Database, half: Half, end: End, is_cancelled: bool
) -> None:
    if is_cancelled:
        with database.begin() as connection:
            recovery.request_cancel(connection, half.job.id, "wrong film")
    lock = "SELECT 1 FROM asset WHERE id = :id FOR UPDATE"
    with rows.locked(database, lock, id=half.asset_id), database.begin() as connection:
        limit_lock_wait(connection, 0.5)
        end(connection, half)  # raises LockTimeout where it waits


def test_job_that_was_cancelled_while_a_step_planned_more_is_cancelled_and_can_be_retried(
    database: Database, half: Half
) -> None:
    with database.begin() as connection:
        recovery.request_cancel(connection, half.job.id, "wrong film")
    with database.begin() as connection:
        grow(connection, half)
    cancelled = rows.get_job(database, half.job)
    assert cancelled.state is JobState.CANCELLED
    with database.begin() as connection:
        recovery.retry(connection, half.job.id)
    shown = [cancelled.progress]
    for name in ("chunk-0", "chunk-1", "second"):
        rows.succeed(database, rows.start(database, half.job, name))
        shown.append(rows.get_job(database, half.job).progress)
    assert shown == sorted(shown)
    assert shown[-1] == 100


@pytest.mark.parametrize("name", ["retry", "cancel"])
def test_what_a_person_does_waits_for_nobody_who_holds_the_video(
    database: Database, half: Half, name: str
) -> None:
    if name == "retry":
        rows.mark_dead(database, half.run)
    lock = "SELECT 1 FROM asset WHERE id = :id FOR UPDATE"
    with rows.locked(database, lock, id=half.asset_id), database.begin() as connection:
        limit_lock_wait(connection, 0.5)
        if name == "retry":
            recovery.retry(connection, half.job.id)
        else:
            recovery.request_cancel(connection, half.job.id, "wrong film")


def test_sweeper_that_closes_a_crashed_run_waits_for_nobody_who_holds_the_video(
    database: Database, half: Half
) -> None:
    rows.let_lease_run_out(database, half.run)
    lock = "SELECT 1 FROM asset WHERE id = :id FOR UPDATE"
    with rows.locked(database, lock, id=half.asset_id):
        assert rows.crash(database, half.run) is RunState.CRASHED
