"""The engine on a PostgreSQL whose clock is set, forward and back, while it runs.

In every test the clock is set by more than a test may last, so that whoever compares timestamps
either waits for hours or does not wait at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows
from tests.stepped_clock import SteppedClock, find_faketime, restart_with_stepped_clock
from tests.waiting import wait_until

from cinemill.core.job import ClaimedRun, Job, JobState
from cinemill.jobs.catalog import GIB
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.leases import LeaseObserver, lease_timeouts
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.jobs.runs.attempt import Attempt, Limits
from cinemill.jobs.runs.job_watch import JobWatch
from cinemill.local.embedded_servers import Servers, embedded_servers
from cinemill.storage import hardware
from cinemill.storage.clock import read_last_jump
from cinemill.storage.database import Database, migrate

STEPS = [-7200.0, -600.0, 120.0, 7200.0]
BACK = [-7200.0, -600.0]
YEAR_SECONDS = 365 * 24 * 3600.0
LEASE_SECONDS = 3.0
SHORTER_THAN_STEPS_SECONDS = 100.0
RENEW = "UPDATE run SET lease_until = clock_timestamp() + interval '3 s' WHERE id = :id"


@pytest.fixture(scope="module")
def stepped_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Servers, Path]]:
    if find_faketime() is None:
        pytest.skip("libfaketime is not installed")
    folder = tmp_path_factory.mktemp("stepped")
    with embedded_servers(folder / "home") as running:
        yield running, folder


@pytest.fixture(scope="module")
def stepped_clock(stepped_servers: tuple[Servers, Path]) -> SteppedClock:
    running, folder = stepped_servers
    library = find_faketime()
    assert library is not None
    place = folder / "home" / "clock"
    place.mkdir(mode=0o755)
    return restart_with_stepped_clock(running.postgres, place, library)


@pytest.fixture(scope="module")
def migrated(
    stepped_servers: tuple[Servers, Path], stepped_clock: SteppedClock
) -> Iterator[Database]:
    url = stepped_servers[0].database_url
    migrate(url)
    database = Database(url, pool_size=20)
    yield database
    database.close()


@pytest.fixture
def clock(stepped_clock: SteppedClock, database: Database) -> Iterator[SteppedClock]:
    stepped_clock.set(0.0)
    yield stepped_clock
    stepped_clock.set(0.0)


@pytest.mark.parametrize("step", STEPS)
def test_work_that_is_due_at_once_goes_out_in_its_order(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    first = engine.submit(3)
    clock.set(step)
    second = engine.submit(3)
    clock.set(0.0)
    third = engine.submit(3)
    engine.dispatcher.publish_ready()
    expected = [*first, *second, *third]
    found = [rows.queued_runs(engine.database, job.id)["work"] for job in expected]
    assert [run.id for run in engine.post.sent] == found


@pytest.mark.parametrize("step", STEPS)
def test_published_work_can_be_claimed_at_once(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    engine.submit(2)
    engine.dispatcher.publish_ready()
    clock.set(step)
    for ready in engine.post.sent:
        engine.claim(ready)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_begun", [True, False], ids=["begun", "new"])
def test_retry_waits_for_its_delay_and_no_longer(
    engine: Engine, clock: SteppedClock, step: float, is_begun: bool
) -> None:
    engine.submit()
    engine.dispatcher.publish_ready()
    rows.fail(engine.database, engine.claim(engine.post.sent[0]), delay_seconds=2.0)
    if is_begun:
        engine.dispatcher.publish_ready()
    clock.set(step)
    set_at = time.monotonic()
    wait_until(engine.dispatcher.publish_ready, seconds=SHORTER_THAN_STEPS_SECONDS)
    assert time.monotonic() - set_at > 1.5


@pytest.mark.parametrize("step", STEPS)
def test_delay_goes_on_with_a_relay_that_begins_on_another_time(
    engine: Engine, clock: SteppedClock, own_redis: str, sink: EventPublisher, step: float
) -> None:
    """A power cut, after which the machine's clock is wrong."""
    short, long = engine.submit(2)
    engine.dispatcher.publish_ready()
    for ready, delay_seconds in zip(list(engine.post.sent), (1.0, 100.0), strict=True):
        rows.fail(engine.database, engine.claim(ready), delay_seconds=delay_seconds)
    engine.dispatcher.publish_ready()
    clock.set(step)
    again = make_dispatcher(engine, own_redis, sink)
    wait_until(again.publish_ready, seconds=SHORTER_THAN_STEPS_SECONDS)
    assert engine.post.sent[2].id == rows.queued_runs(engine.database, short.id)["work"]
    assert again.publish_ready() == 0
    assert rows.get_job(engine.database, long).state is JobState.RUNNING


@pytest.mark.parametrize("step", STEPS)
def test_lost_messages_are_sent_again_after_their_time(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    engine.submit(2)
    engine.dispatcher.publish_ready()
    engine.post.lose()
    clock.set(step)
    engine.dispatcher.publish_ready()
    assert engine.dispatcher.republish_lost(older_than_seconds=100.0) == 0

    def find_lost() -> int:
        engine.dispatcher.publish_ready()
        return engine.dispatcher.republish_lost(older_than_seconds=1.0)

    wait_until(find_lost, seconds=SHORTER_THAN_STEPS_SECONDS)
    assert len(engine.post.sent) == 4


@pytest.mark.parametrize("step", STEPS)
def test_only_the_dead_workers_run_is_closed_and_within_its_lease(
    engine: Engine, clock: SteppedClock, own_redis: str, sink: EventPublisher, step: float
) -> None:
    dispatcher = make_dispatcher(engine, own_redis, sink)
    healthy, dead = engine.submit(2)
    runs = {job.id: start(engine, job.id) for job in (healthy, dead)}
    dispatcher.close_crashed()
    clock.set(step)

    def sweep() -> int:
        rows.change(engine.database, RENEW, id=runs[healthy.id])
        return dispatcher.close_crashed()

    wait_until(sweep, seconds=SHORTER_THAN_STEPS_SECONDS)
    assert rows.get_job(engine.database, healthy).state is JobState.RUNNING
    assert sorted(rows.run_states(engine.database, dead)) == ["crashed", "queued"]


@pytest.mark.parametrize("step", STEPS)
def test_time_left_is_the_same_before_and_after(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    """Twenty-nine parts of forty seconds each on two workers, of which two are half done."""
    (job,) = engine.submit(kind="crowd")
    engine.dispatcher.publish_ready()
    done, other, own = (engine.claim(ready) for ready in list(engine.post.lying)[:3])
    rows.succeed(engine.database, replace(done, seconds=40.0))
    watch, halves = JobWatch(engine.database), [half_done(other), half_done(own)]
    for half in halves:
        watch.note_progress(half)
    expected = pytest.approx(20 + 27 * 40 / 2, rel=0.1)
    assert stated_seconds_left(engine, job) == expected
    clock.set(step)
    watch.note_progress(halves[1])
    assert stated_seconds_left(engine, job) == expected
    rows.succeed(engine.database, halves[0].finished_run())
    engine.claim(engine.post.lying[0])
    watch.note_progress(halves[1])
    assert stated_seconds_left(engine, job) == expected


@pytest.mark.parametrize("step", [*STEPS, YEAR_SECONDS, -YEAR_SECONDS])
def test_jump_is_recorded_with_its_length(engine: Engine, clock: SteppedClock, step: float) -> None:
    engine.dispatcher.publish_ready()
    clock.set(step)
    engine.dispatcher.publish_ready()
    engine.dispatcher.publish_ready()
    with engine.database.begin() as connection:
        jump = read_last_jump(connection)
    assert jump is not None
    assert jump.jumps == 1
    assert jump.seconds == pytest.approx(step, abs=2.0)


def test_leap_of_a_year_deletes_nothing_that_is_kept_for_a_month(
    engine: Engine, clock: SteppedClock
) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    rows.succeed(engine.database, engine.claim(engine.post.sent[0]))
    clock.set(YEAR_SECONDS)
    engine.dispatcher.publish_ready()
    assert engine.service.delete_old_jobs(30) == 0
    assert rows.get_job(engine.database, job).state is JobState.COMPLETED


def test_job_that_ended_long_ago_is_deleted_as_ever(engine: Engine, clock: SteppedClock) -> None:
    clock.set(-YEAR_SECONDS)
    engine.submit()
    engine.dispatcher.publish_ready()
    rows.succeed(engine.database, engine.claim(engine.post.sent[0]))
    clock.set(0.0)
    rows.change(engine.database, "DELETE FROM engine_clock")  # as if no relay had seen that time
    engine.dispatcher.publish_ready()
    assert engine.service.delete_old_jobs(30) == 1


@pytest.mark.parametrize("step", BACK)
def test_dead_nodes_encoder_gets_no_work_after_the_clock_was_set_back(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    with engine.database.begin() as connection:
        hardware.announce(connection, "dead-node", {"h264_nvenc": "h264"})
    clock.set(step)
    engine.submit(kind="hardware_work")
    engine.dispatcher.publish_ready()
    assert [run.queue for run in engine.post.sent] == ["default"]
    with engine.database.begin() as connection:
        assert hardware.list_offers(connection) == []
        hardware.announce(connection, "live-node", {"h264_nvenc": "h264"})
        assert [offer.node for offer in hardware.list_offers(connection)] == ["live-node"]


@pytest.mark.parametrize("step", BACK)
def test_suspended_encoder_is_tried_again_although_the_clock_was_set_back(
    engine: Engine, clock: SteppedClock, step: float
) -> None:
    with engine.database.begin() as connection:
        hardware.announce(connection, "node", {"h264_nvenc": "h264"})
        hardware.suspend(connection, "node", "h264_nvenc", "it failed")
        assert (hardware.list_offers(connection)[0].rests_seconds or 0) > 50
    clock.set(step)
    with engine.database.begin() as connection:
        hardware.announce(connection, "node", {"h264_nvenc": "h264"})
        assert hardware.list_offers(connection)[0].rests_seconds == 0


def make_dispatcher(engine: Engine, own_redis: str, sink: EventPublisher) -> Dispatcher:
    """As a relay that has just begun."""
    return Dispatcher(
        engine.database,
        sink,
        RateLimiter(own_redis),
        catalog=CATALOG,
        window=16,
        send=engine.post.send,
        measure_depth=engine.post.measure_depth,
        leases=LeaseObserver(lease_timeouts(LEASE_SECONDS, 1.0)),
    )


def start(engine: Engine, job_id: str) -> str:
    run_id = rows.queued_runs(engine.database, job_id)["work"]
    assert rows.claim(engine.database, run_id, lease_seconds=LEASE_SECONDS) is not None
    return run_id


def half_done(run: ClaimedRun) -> Attempt:
    """As it is for a worker that has been at it for twenty seconds."""
    limits = Limits(60.0, 15.0, 600.0, 3600.0, GIB)
    attempt = Attempt(run, limits, deadline=math.inf, started=time.monotonic() - 20.0)
    attempt.move(0.5, "Working")
    return attempt


def stated_seconds_left(engine: Engine, job: Job) -> float | None:
    left = engine.service.get_job_status(job.id)["seconds_left"]
    return None if left is None else float(left)


def test_server_under_test_follows_the_clock(database: Database, clock: SteppedClock) -> None:
    """Else the tests above would show nothing."""
    for step in STEPS:
        clock.set(step)
        with database.begin() as connection:
            query = text("SELECT extract(epoch FROM clock_timestamp())::float8")
            wall = float(connection.execute(query).scalar_one())
        assert wall - time.time() == pytest.approx(step, abs=5.0)
