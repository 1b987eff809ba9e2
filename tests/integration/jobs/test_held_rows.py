"""Whatever rows a stranger holds, no duty of the relay waits for them: other work goes out.

A turn that changed a row twice in one transaction waited for the rows that it refers to. Here every
duty meets rows of every kind, with a video, and everything but one new job is held.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows

from cinemill.jobs.adoption.deadlines import cancel_expired, free_due
from cinemill.jobs.adoption.release import Releaser
from cinemill.jobs.catalog import RetryPolicy
from cinemill.storage import hardware
from cinemill.storage.jobs import recovery
from cinemill.storage.jobs.waiting.followers import Follower, insert_follower
from cinemill.storage.media import assets

TABLES = ("asset", "job", "step", "run", "engine_clock", "hardware_encoder")
ROUNDS = 3
"""What one turn begins, such as a delay, the next ones end."""

FOLLOWERS = {"begins": "pending", "fails": "failed", "is cancelled": "cancelled"}

_OF_JOB = " WHERE job_id = :id"
_DELAY = "UPDATE run SET delay_seconds = 0.001, delay_ends = '-Infinity'" + _OF_JOB
_MANY_UNKNOWN = "UPDATE run SET kind = 'of_tomorrow_' || turn % 3" + _OF_JOB
_QUEUE_GONE = "UPDATE run SET queue = 'of_tomorrow'" + _OF_JOB + " AND turn % 5 = 0"
_DUE = "UPDATE job SET due_at = clock_timestamp() WHERE id = :id"
_EXPIRED = "UPDATE job SET expires_at = clock_timestamp() WHERE id = :id"
_STRANDED = "UPDATE run SET queue = 'gpu_av1', hardware = 'av1'" + _OF_JOB


def prepare_work(engine: Engine) -> None:
    """Have work in every state that the relay looks for."""
    with engine.database.begin() as connection:
        film, _ = assets.register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
        hardware.announce(connection, "celery@one", {"h264_nvenc": "h264"})

    def submit(kind: str, *changes: str) -> None:
        (job,) = engine.submit(kind=kind, asset_id=film.id)
        for change in changes:
            rows.change(engine.database, change, id=job.id)

    for kind in ("crowd", "chain", "work", "work"):
        submit(kind)
    engine.dispatcher.publish_ready()
    begun = [engine.claim(ready) for ready in list(engine.post.lying)[:5]]
    for run in begun[:2]:
        rows.let_lease_run_out(engine.database, run)
    rows.fail(engine.database, begun[2], delay_seconds=0.001)
    rows.fail(engine.database, begun[3], delay_seconds=60)
    (batch,) = engine.submit(asset_id=film.id)
    engine.submit(2, asset_id=film.id, parent_id=batch.id)
    with engine.database.begin() as connection:
        recovery.request_cancel(connection, batch.id, "wrong film")
    for kind in ("hardware_work", "rare_work", "rare_work"):
        submit(kind)
    submit("hardware_work", _DELAY)
    submit("hardware_work", _STRANDED)
    submit("crowd", _MANY_UNKNOWN, _QUEUE_GONE)
    submit("work", _DELAY, _DUE)
    submit("work", _EXPIRED)
    follow(engine, "begins", engine.claim_and_finish(), asset_id=film.id)
    follow(engine, "fails", engine.claim_and_finish(), asset_id="gone")
    (failing,) = engine.submit(asset_id=film.id)
    rows.mark_dead(engine.database, rows.start(engine.database, failing))
    follow(engine, "is cancelled", failing.id, asset_id=film.id)


def follow(engine: Engine, job_id: str, after: str, **kwargs: object) -> None:
    """Have a job wait for another, as what follows a call of Celery's does."""
    follower = Follower(
        id=job_id,
        kind="work",
        owner="ann",
        priority=9,
        call={"args": [], "kwargs": kwargs, "immutable": True, "on": "success"},
        after=[after],
    )
    with engine.database.begin() as connection:
        insert_follower(connection, follower)


@pytest.mark.parametrize("held", [*((one,) for one in TABLES), TABLES], ids=[*TABLES, "all"])
def test_no_duty_of_the_relay_waits_for_rows_that_somebody_holds(
    engine: Engine, held: tuple[str, ...]
) -> None:
    prepare_work(engine)
    dispatcher = engine.dispatcher
    releaser = Releaser(engine.database, catalog=CATALOG, limits=RetryPolicy())
    ended = engine.claim_and_finish()
    with ExitStack() as locks:
        for table in held:
            lock = f"SELECT 1 FROM {table} FOR UPDATE"
            locks.enter_context(rows.locked(engine.database, lock))
        (free,) = engine.submit(priority=9)
        follow(engine, "free", ended)
        for _ in range(ROUNDS):
            # Each raises LockTimeout where it waits.
            releaser.release_after([ended])
            releaser.release_all()
            free_due(engine.database)
            cancel_expired(engine.database, CATALOG)
            dispatcher.publish_ready()
            dispatcher.announce_changes()
            dispatcher.close_crashed()
            dispatcher.finish_cancels()
            dispatcher.hold_unknown()
            dispatcher.republish_lost(older_than_seconds=0)
        expected = {rows.queued_runs(engine.database, job)["work"] for job in (free.id, "free")}
        assert expected <= {run.id for run in engine.post.sent}
    free_due(engine.database)
    cancel_expired(engine.database, CATALOG)
    releaser.release_all()
    states = {job_id: engine.service.get_job(job_id).state.value for job_id in FOLLOWERS}
    assert states == FOLLOWERS
