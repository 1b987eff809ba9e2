"""What another transaction holds: nobody waits for it for long, and it holds up nothing else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests.integration.storage import rows
from tests.integration.storage.rows import make_step

from cinemill.core.job import JobState, RunState
from cinemill.errors import DatabaseUnavailable, LockTimeout
from cinemill.storage import hardware, turns
from cinemill.storage.database import (
    MIGRATION_LOCK,
    Database,
    limit_lock_wait,
    migrate,
)
from cinemill.storage.jobs import claims, dispatch, job_changes, job_queries, runs
from cinemill.storage.jobs.claims import CLAIM_LOCK_SECONDS
from cinemill.storage.jobs.job_clock.readings import note_progress
from cinemill.storage.media import assets
from cinemill.storage.sessions import LOCK_WAIT_SECONDS

HOLD_ADVISORY = "SELECT pg_advisory_xact_lock(:key)"


def test_every_session_waits_for_a_lock_for_two_seconds(database: Database) -> None:
    with database.begin() as connection:
        limit = connection.execute(text("SHOW lock_timeout")).scalar_one()
    assert limit == f"{LOCK_WAIT_SECONDS:.0f}s"


def test_locked_row_is_an_error_of_its_own_that_may_pass(database: Database) -> None:
    job = rows.accept(database)
    with (
        rows.locked_job(database, job),
        pytest.raises(LockTimeout) as refused,
        database.begin() as connection,
    ):
        job_queries.lock_job(connection, job.id)
    error = refused.value
    assert isinstance(error, DatabaseUnavailable)
    assert (error.code, error.http_status, error.is_retryable) == ("lock_timeout", 503, True)
    with database.begin() as connection:
        job_queries.lock_job(connection, job.id)


def test_transaction_may_wait_for_less(database: Database) -> None:
    job = rows.accept(database)
    with (
        rows.locked_job(database, job),
        pytest.raises(LockTimeout),
        database.begin() as connection,
    ):
        limit_lock_wait(connection, 0.05)
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "50ms"
        job_queries.lock_job(connection, job.id)
    with database.begin() as connection:
        limit = connection.execute(text("SHOW lock_timeout")).scalar_one()
        assert limit == f"{LOCK_WAIT_SECONDS:.0f}s"


@pytest.mark.parametrize("table", ["job", "run", "step"])
def test_claim_gives_up_soon_and_takes_nothing(database: Database, table: str) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    column = "id" if table == "job" else "job_id"
    lock = f"SELECT 1 FROM {table} WHERE {column} = :id FOR UPDATE"
    with rows.locked(database, lock, id=job.id), pytest.raises(LockTimeout):
        rows.claim(database, run_id)
    assert rows.run_states(database, job) == ["queued"]
    assert rows.claim(database, run_id) is not None


def test_claims_patience_is_its_own_and_short(database: Database) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    with database.begin() as connection:
        claims.claim(connection, run_id, token="t", worker="w", lease_seconds=60)
        limit = connection.execute(text("SHOW lock_timeout")).scalar_one()
        assert limit == f"{CLAIM_LOCK_SECONDS * 1000:.0f}ms"
    with database.begin() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() != limit


def test_run_that_is_put_off_goes_out_again_each_time_later(database: Database) -> None:
    job = rows.accept(database)
    run_id = rows.queued_runs(database, job.id)["work"]
    waits = []
    for _ in range(6):
        rows.change(database, "UPDATE run SET delay_ends = NULL WHERE id = :id", id=run_id)
        with database.begin() as connection:
            dispatch.stamp_published(connection, [run_id])
        with rows.locked_job(database, job), database.once() as connection:
            assert claims.put_off(connection, run_id)
        with database.begin() as connection:
            row = connection.execute(
                text("SELECT delay_seconds AS wait, published_at FROM run WHERE id = :id"),
                {"id": run_id},
            ).one()
        assert row.published_at is None
        waits.append(row.wait)
    assert waits[0] <= 2 * claims.FIRST_DELAY_SECONDS
    assert waits[0] < waits[-1] <= claims.LONGEST_DELAY_SECONDS


def test_run_that_is_taken_is_not_put_off(database: Database) -> None:
    run = rows.start(database, rows.accept(database))
    with database.once() as connection:
        assert not claims.put_off(connection, run.id)
    assert rows.find_lease(database, run) is not None


def test_lease_is_renewed_and_progress_left_out_where_the_job_is_locked(
    database: Database,
) -> None:
    """In one thread, one after the other: the second must not hold up the next renewal."""
    job = rows.accept(database)
    run = rows.start(database, job)
    with rows.locked_job(database, job), database.once() as connection:
        connection.execute(text("SET lock_timeout = 0"))  # it is not the limit that saves it
        connection.execute(text("SET statement_timeout = 20000"))
        assert claims.renew_lease(connection, run, lease_seconds=60)
        assert note_progress(connection, run, fraction=0.5, message="Half") is None
        connection.execute(text("RESET ALL"))
        connection.invalidate()
    assert rows.get_job(database, job).progress == 0
    with database.once() as connection:
        note_progress(connection, run, fraction=0.5, message="Half")
    assert rows.get_job(database, job).progress == 50


def test_retention_forgets_all_that_nobody_holds(database: Database) -> None:
    ended = [rows.accept(database) for _ in range(3)]
    for job in ended:
        rows.succeed(database, rows.start(database, job))
    with rows.locked_job(database, ended[1]), database.begin() as connection:
        assert job_changes.delete_old_jobs(connection, older_than_days=0) == 2
    assert rows.get_job(database, ended[1]).state is JobState.COMPLETED


def test_hardware_row_of_a_node_long_gone_keeps_no_other_from_announcing(
    database: Database,
) -> None:
    with database.begin() as connection:
        hardware.announce(connection, "gone", {"h264_vaapi": "h264"})
    rows.change(database, "UPDATE hardware_encoder SET seen_at = now() - interval '1 year'")
    with rows.locked(database, "SELECT 1 FROM hardware_encoder FOR UPDATE"):
        with database.begin() as connection:
            hardware.announce(connection, "here", {"h264_vaapi": "h264"})
            (offer,) = hardware.list_offers(connection)
        assert offer.node == "here"
    with database.begin() as connection:
        hardware.announce(connection, "here", {"h264_vaapi": "h264"})


def test_planning_moves_past_a_run_that_is_locked(database: Database) -> None:
    with database.begin() as connection:
        hardware.announce(connection, "here", {"h264_vaapi": "h264"})
    wishing = [rows.accept(database) for _ in range(2)]
    rows.change(database, "UPDATE run SET hardware = 'h264'")
    held = "SELECT 1 FROM run WHERE job_id = :id FOR UPDATE"
    with rows.locked(database, held, id=wishing[0].id), database.begin() as connection:
        assert len(hardware.route(connection)) == 1
    with database.begin() as connection:
        connection.execute(text("UPDATE hardware_encoder SET seen_at = now() - interval '1 day'"))
    with rows.locked(database, held, id=wishing[1].id), database.begin() as connection:
        assert hardware.route(connection) == []
    with database.begin() as connection:
        assert hardware.route(connection) == ["default"]


def test_stamp_is_taken_back_from_all_that_nobody_holds(database: Database) -> None:
    accepted = [rows.accept(database) for _ in range(2)]
    run_ids = [rows.queued_runs(database, job.id)["work"] for job in accepted]
    with database.begin() as connection:
        dispatch.stamp_published(connection, run_ids)
    held = "SELECT 1 FROM run WHERE job_id = :id FOR UPDATE"
    with rows.locked(database, held, id=accepted[0].id), database.begin() as connection:
        dispatch.take_back(connection, run_ids)
    with database.begin() as connection:
        (load,) = turns.list_loads(connection, "default")
    assert load.published == 1


def test_crash_of_a_locked_job_is_left_for_later(database: Database) -> None:
    job = rows.accept(database, [make_step()])
    run = rows.start(database, job)
    rows.let_lease_run_out(database, run)
    with rows.locked_job(database, job), pytest.raises(LockTimeout):
        rows.crash(database, run)
    assert rows.crash(database, run) is RunState.CRASHED


def test_pieces_that_somebody_holds_are_forgotten_the_next_time(database: Database) -> None:
    with database.begin() as connection:
        asset, _ = assets.register_asset(
            connection, owner="ann", sha256="0", size_bytes=1, filename="f.mp4"
        )
    insert = (
        "INSERT INTO artifact (id, asset_id, kind, variant, step_key, sha256, size_bytes, filename,"
        " media_type, created_at) VALUES (:id, :asset, 'piece', :id, 'key', '0', 1, 'f', 'v',"
        " now() - interval '1 year')"
    )
    for name in ("a", "b"):
        rows.change(database, insert, id=name, asset=asset.id)
    held = "SELECT 1 FROM artifact WHERE id = 'a' FOR UPDATE"
    with rows.locked(database, held), database.begin() as connection:
        assert assets.forget_cached(connection, older_than_days=30) == 1


def test_second_migration_waits_for_the_first_for_as_long_as_it_takes(
    database: Database,
) -> None:
    """Two supervisors that start together: neither may fail for the other's statements."""
    with ThreadPoolExecutor(1) as pool:
        with rows.locked(database, HOLD_ADVISORY, key=MIGRATION_LOCK):
            second = pool.submit(migrate, database.url)
            time.sleep(LOCK_WAIT_SECONDS + 1.0)
            assert not second.done()
        assert second.result(timeout=60)


def test_commit_of_a_locked_job_takes_effect_once_it_is_free(database: Database) -> None:
    job = rows.accept(database)
    run = rows.start(database, job)
    with (
        rows.locked_job(database, job),
        pytest.raises(LockTimeout),
        database.begin() as connection,
    ):
        limit_lock_wait(connection, 0.05)
        runs.lock_job_of_claim(connection, run)
    rows.succeed(database, run)
    assert rows.get_job(database, job).state is JobState.COMPLETED
