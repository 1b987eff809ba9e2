"""Rows of jobs: accepted once, listed in order, cancelled, retried, buried, redriven, forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event
from tests.integration.storage import rows
from tests.integration.storage.rows import CHAIN, FAN_IN, make_job, make_step

from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, NotFound
from cinemill.storage.database import Database
from cinemill.storage.jobs import job_changes, job_queries, new_jobs, recovery, runs
from cinemill.storage.jobs.job_clock.readings import note_progress
from cinemill.storage.media import assets


def insert(database: Database, job: new_jobs.NewJob) -> tuple[Job, bool]:
    with database.begin() as connection:
        return new_jobs.insert_job(connection, job, [make_step()])


def fail_for_good(database: Database, **changes: Any) -> Job:
    job = rows.accept(database, **changes)
    rows.mark_dead(database, rows.start(database, job))
    return rows.get_job(database, job)


def dead_steps(database: Database) -> list[str]:
    with database.begin() as connection:
        return [dead.step_id for dead in job_queries.list_dead(connection)]


def test_same_key_of_the_same_owner_is_the_same_job(database: Database) -> None:
    first, is_new = insert(database, make_job(idempotency_key="k"))
    second, is_new_again = insert(database, make_job(idempotency_key="k"))
    assert (is_new, is_new_again) == (True, False)
    assert second.id == first.id
    assert rows.run_states(database, first) == ["queued"]


def test_same_key_of_another_owner_is_another_job(database: Database) -> None:
    first, _ = insert(database, make_job(idempotency_key="k", owner="ann"))
    second, is_new = insert(database, make_job(idempotency_key="k", owner="bob"))
    assert is_new
    assert second.id != first.id


def test_same_key_for_another_request_is_a_conflict(database: Database) -> None:
    insert(database, make_job(idempotency_key="k", request_digest="one"))
    with pytest.raises(Conflict) as refused:
        insert(database, make_job(idempotency_key="k", request_digest="two"))
    assert refused.value.code == "idempotency_conflict"


def test_same_id_is_the_same_job(database: Database) -> None:
    """A Celery message that is delivered three times makes one job."""
    job = make_job()
    assert [insert(database, job)[1] for _ in range(3)] == [True, False, False]


def test_key_that_twenty_send_at_once_makes_one_job(database: Database) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: insert(database, make_job(idempotency_key="k")), range(20)))
    assert len({job.id for job, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1


def delete_after_conflicts(connection: Connection, other: Database, *, times: int) -> None:
    """Delete the job as soon as a statement has found it in the way, so many times.

    Another one takes its place before the next statement of that kind.
    """
    left = [times]

    def intervene(*arguments: Any) -> None:
        cursor, statement = arguments[1], arguments[2]
        if "ON CONFLICT DO NOTHING" in statement and cursor.rowcount == 0:
            rows.change(other, "DELETE FROM job WHERE idempotency_key = 'k'")
            left[0] -= 1
        elif statement.strip().startswith("SELECT * FROM job") and left[0]:
            rows.accept(other, idempotency_key="k")

    event.listen(connection, "after_cursor_execute", intervene)


@pytest.mark.parametrize("open_connection", ["once", "begin"])
def test_key_whose_job_is_deleted_meanwhile_makes_a_job(
    database: Database, open_connection: str
) -> None:
    rows.accept(database, idempotency_key="k")
    wanted = make_job(idempotency_key="k")
    with getattr(database, open_connection)() as connection:
        delete_after_conflicts(connection, database, times=2)
        made, is_new = new_jobs.insert_job(connection, wanted, [make_step()])
    assert (made.id, is_new) == (wanted.id, True)
    assert rows.run_states(database, made) == ["queued"]


def test_key_whose_job_is_deleted_all_the_time_is_a_conflict(database: Database) -> None:
    rows.accept(database, idempotency_key="k")
    with pytest.raises(Conflict) as refused, database.once() as connection:
        delete_after_conflicts(connection, database, times=100)
        new_jobs.insert_job(connection, make_job(idempotency_key="k"), [make_step()])
    assert refused.value.code == "idempotency_conflict"


def test_id_of_one_job_and_key_of_another_are_the_job_of_that_id(database: Database) -> None:
    first = make_job()
    insert(database, first)
    insert(database, make_job(idempotency_key="k"))
    found, is_new = insert(database, make_job(id=first.id, idempotency_key="k"))
    assert (found.id, is_new) == (first.id, False)


def test_asset_that_nobody_knows_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound) as refused:
        rows.accept(database, asset_id="no such asset")
    assert refused.value.code == "asset_not_found"


@pytest.mark.parametrize("priority", [-1, 11])
def test_database_itself_refuses_an_illegal_priority(database: Database, priority: int) -> None:
    with pytest.raises(Exception, match="job_priority_check"):
        rows.accept(database, priority=priority)


def test_jobs_are_listed_newest_first_page_by_page(database: Database) -> None:
    ids = [rows.accept(database).id for _ in range(7)]
    pages: list[list[str]] = []
    before = None
    while True:
        with database.begin() as connection:
            page = [job.id for job in job_queries.list_jobs(connection, before=before, limit=3)]
        if not page:
            break
        pages.append(page)
        before = page[-1]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [job_id for page in pages for job_id in page] == ids[::-1]


def test_lists_are_filtered_by_what_is_asked_for(database: Database) -> None:
    with database.begin() as connection:
        asset, _ = assets.register_asset(
            connection, owner="ann", sha256="0", size_bytes=1, filename="film.mp4"
        )
    mine = rows.accept(database, owner="ann", asset_id=asset.id)
    other = rows.accept(database, owner="bob", kind="cleanup_old_jobs")
    failed = fail_for_good(database, owner="ann")

    def listed(**filters: Any) -> set[str]:
        with database.begin() as connection:
            return {job.id for job in job_queries.list_jobs(connection, **filters)}

    assert listed() == {mine.id, other.id, failed.id}
    assert listed(owner="bob") == {other.id}
    assert listed(kind="cleanup_old_jobs") == {other.id}
    assert listed(asset_id=asset.id) == {mine.id}
    assert listed(states=[JobState.FAILED]) == {failed.id}
    assert listed(states=[JobState.FAILED, JobState.PENDING], owner="ann") == {mine.id, failed.id}
    assert listed(owner="nobody") == set()


def cancel(database: Database, job: Job, reason: str = "wrong film") -> Job:
    with database.begin() as connection:
        return recovery.request_cancel(connection, job.id, reason)


def test_queued_job_is_cancelled_at_once_with_the_reason(database: Database) -> None:
    job = cancel(database, rows.accept(database, FAN_IN))
    assert (job.state, job.cancel_reason) == (JobState.CANCELLED, "wrong film")
    assert job.finished_at is not None
    assert rows.queued_runs(database, job.id) == {}


def test_running_job_is_cancelled_when_its_worker_says_so(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    assert cancel(database, job).state is JobState.RUNNING
    with database.begin() as connection:
        noted = note_progress(connection, run, fraction=0.01, message="")
        assert noted == "wrong film"
        runs.confirm_cancel(connection, run)
    assert rows.get_job(database, job).state is JobState.CANCELLED


def test_first_reason_for_cancelling_stays(database: Database) -> None:
    job = rows.accept(database)
    rows.start(database, job)
    cancel(database, job, "first")
    assert cancel(database, job, "second").cancel_reason == "first"


def test_ended_job_is_not_cancelled(database: Database) -> None:
    with pytest.raises(Conflict) as refused:
        cancel(database, fail_for_good(database))
    assert refused.value.code == "job_ended"


def test_cancelled_job_that_is_retried_does_all_again(database: Database) -> None:
    job = cancel(database, rows.accept(database, CHAIN))
    with database.begin() as connection:
        retried = recovery.retry(connection, job.id)
    assert (retried.state, retried.cancel_reason, retried.cancel_requested) == (
        JobState.PENDING,
        None,
        False,
    )
    for name in ("first", "second"):
        rows.succeed(database, rows.start(database, job, name))
    assert rows.get_job(database, job).state is JobState.COMPLETED


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_only_failed_and_cancelled_jobs_are_retried(database: Database, state: str) -> None:
    job = rows.accept(database)
    if state != "pending":
        run = rows.start(database, job)
        if state == "completed":
            rows.succeed(database, run)
    with pytest.raises(Conflict) as refused, database.begin() as connection:
        recovery.retry(connection, job.id)
    assert refused.value.code == "job_not_failed"
    assert state in refused.value.message


def list_failed(database: Database, kind: str | None = None, code: str | None = None) -> set[str]:
    with database.begin() as connection:
        return set(recovery.list_failed(connection, kind=kind, code=code))


def test_failed_jobs_are_found_by_kind_and_code(database: Database) -> None:
    renders = {fail_for_good(database, kind="render_video").id for _ in range(3)}
    rows.accept(database)
    assert list_failed(database) == renders
    assert list_failed(database, kind="render_video", code="command_failed") == renders
    assert list_failed(database, kind="process_video") == set()
    assert list_failed(database, code="media_truncated") == set()


def test_dead_letter_says_what_died_of_what(database: Database) -> None:
    job = fail_for_good(database, owner="bob")
    with database.begin() as connection:
        (dead,) = job_queries.list_dead(connection)
    assert (dead.job_id, dead.job_kind, dead.step_name) == (job.id, "process_video", "work")
    assert (dead.owner, dead.attempts, dead.failures, dead.crashes) == ("bob", 1, 1, 0)
    assert dead.failure == rows.FAILURE


def test_dead_letters_come_latest_first(database: Database) -> None:
    jobs_in_order = [fail_for_good(database).id for _ in range(3)]
    with database.begin() as connection:
        assert [dead.job_id for dead in job_queries.list_dead(connection)] == jobs_in_order[::-1]
        assert len(job_queries.list_dead(connection, limit=2)) == 2


def test_redriven_step_runs_again_and_is_dead_no_more(database: Database) -> None:
    job = fail_for_good(database)
    (step_id,) = dead_steps(database)
    with database.begin() as connection:
        assert recovery.redrive(connection, step_id).state is JobState.PENDING
    assert dead_steps(database) == []
    run = rows.start(database, job)
    assert run.attempt == 2
    rows.succeed(database, run)
    assert rows.get_job(database, job).state is JobState.COMPLETED


def test_step_that_is_not_dead_is_not_redriven(database: Database) -> None:
    with pytest.raises(NotFound) as refused, database.begin() as connection:
        recovery.redrive(connection, "no such step")
    assert refused.value.code == "dead_step_not_found"


def test_two_that_redrive_at_once_queue_one_run(database: Database) -> None:
    job = fail_for_good(database)
    (step_id,) = dead_steps(database)

    def redrive(_: int) -> bool:
        try:
            with database.begin() as connection:
                recovery.redrive(connection, step_id)
        except (Conflict, NotFound):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(redrive, range(8))) == 1
    assert rows.run_states(database, job) == ["failed", "queued"]


def test_deleted_job_takes_its_steps_and_runs_along_and_leaves_the_asset(
    database: Database,
) -> None:
    with database.begin() as connection:
        asset, _ = assets.register_asset(
            connection, owner="ann", sha256="0", size_bytes=1, filename="film.mp4"
        )
    job = rows.accept(database, FAN_IN, asset_id=asset.id)
    with database.begin() as connection:
        assert job_changes.delete_job(connection, job.id)
        assert not job_changes.delete_job(connection, job.id)
    assert rows.get_steps(database, job) == {}
    assert rows.run_states(database, job) == []
    assert assets.get_asset(database, asset.id) == asset


def test_old_jobs_are_forgotten_and_unfinished_ones_never(database: Database) -> None:
    old, young = fail_for_good(database), fail_for_good(database)
    unfinished = rows.accept(database)
    age = "UPDATE job SET {} = now() - interval '31 days' WHERE id = :id"
    rows.change(database, age.format("finished_at"), id=old.id)
    rows.change(database, age.format("queued_at"), id=unfinished.id)
    with database.begin() as connection:
        assert job_changes.delete_old_jobs(connection, older_than_days=30) == 1
        assert job_changes.delete_old_jobs(connection, older_than_days=30) == 0
        assert {job.id for job in job_queries.list_jobs(connection)} == {young.id, unfinished.id}


def test_job_that_nobody_knows_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound) as refused, database.begin() as connection:
        job_queries.get_job(connection, "no such job")
    assert refused.value.code == "job_not_found"
