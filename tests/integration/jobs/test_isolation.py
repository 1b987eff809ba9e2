"""What one run needs stops no other: its rate, its hardware, its kind, its queue."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Catalog, Rate, StepKind
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.storage.database import Database
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.storage.redis_servers import Outage

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def rates(own_redis: str) -> Iterator[RateLimiter]:
    rates = RateLimiter(own_redis)
    yield rates
    rates.close()


def make_dispatcher(
    engine: Engine,
    sink: EventPublisher,
    rates: RateLimiter,
    *,
    catalog: Catalog = CATALOG,
    window: int = 16,
) -> Dispatcher:
    post = engine.post
    return Dispatcher(
        engine.database,
        sink,
        rates,
        catalog=catalog,
        window=window,
        send=post.send,
        measure_depth=post.measure_depth,
    )


def sent_kinds(engine: Engine) -> list[str]:
    return sorted(run.kind for run in engine.post.sent)


@pytest.mark.parametrize("window", [1, 8])
def test_many_runs_whose_rate_is_used_up_keep_no_other_from_going_out(
    engine: Engine, sink: EventPublisher, rates: RateLimiter, window: int
) -> None:
    """A thousand renders that wait for their first step kept those under way from going on."""
    engine.submit(60, "rare_work")
    dispatcher = make_dispatcher(engine, sink, rates, window=window)
    dispatcher.publish_ready()
    for number in range(1, 4):
        for lying in list(engine.post.lying):
            engine.finish(lying)
        engine.submit(1)
        dispatcher.publish_ready()
        assert sent_kinds(engine).count("work") == number
    assert sent_kinds(engine).count("rare_work") == 1


def test_next_turn_comes_when_the_rate_allows_another_start(engine: Engine) -> None:
    """Two starts a second were one in two: until the next sweep nothing woke the relay."""
    engine.submit(3, "rare_work")
    assert engine.dispatcher.measure_next_turn() == math.inf
    assert engine.dispatcher.publish_ready() == 1
    assert 0 < engine.dispatcher.measure_next_turn() <= 30


def test_no_turn_is_due_once_the_rate_keeps_nothing_waiting(
    engine: Engine, sink: EventPublisher, rates: RateLimiter
) -> None:
    often = CATALOG.extend([StepKind("rare_work", "default", rate=Rate(20, 1))])
    dispatcher = make_dispatcher(engine, sink, rates, catalog=often)
    engine.submit(3, "rare_work")

    def is_quiet() -> bool:
        dispatcher.publish_ready()
        return dispatcher.measure_next_turn() == math.inf

    wait_until(is_quiet)
    assert len(engine.post.sent) == 3


def test_runs_without_a_rate_go_out_while_no_start_can_be_counted(
    engine: Engine, sink: EventPublisher
) -> None:
    away = RateLimiter(NOWHERE)
    engine.submit(60, "rare_work")
    engine.submit(3)
    dispatcher = make_dispatcher(engine, sink, away, window=8)
    assert dispatcher.publish_ready() == 3
    assert sent_kinds(engine) == ["work"] * 3
    away.close()


def test_nobody_waits_for_a_server_that_is_silent() -> None:
    """A frozen Redis took two seconds of each round of the only planner."""
    answers, asked_by = threading.Event(), list[str]()

    def ask() -> None:
        asked_by.append(threading.current_thread().name)
        answers.wait()

    outage = Outage(f"redis://{uuid4()}", ask, pause_seconds=0.0)
    outage.begin(2.0)
    other = Outage(outage._url, pytest.fail, pause_seconds=0.0)
    assert all(outage.is_on() and other.is_on() for _ in range(100))
    answers.set()
    wait_until(lambda: not outage.is_on())
    assert set(asked_by) == {"redis"}


def test_server_that_stays_silent_is_asked_again() -> None:
    faults = [redis.TimeoutError("silent"), redis.ConnectionError("gone")]

    def ask() -> None:
        if faults:
            raise faults.pop()

    outage = Outage(f"redis://{uuid4()}", ask, pause_seconds=0.0)
    outage.begin(2.0)
    assert outage.is_on()
    wait_until(lambda: not outage.is_on())


def test_server_that_refuses_at_once_is_tried_again_after_the_pause() -> None:
    outage = Outage("redis://one", pytest.fail, pause_seconds=0.0)
    outage.begin(0.001)
    assert not outage.is_on()
    paused = Outage("redis://one", pytest.fail, pause_seconds=3600.0)
    paused.begin(0.001)
    assert paused.is_on()


@pytest.mark.parametrize("rate", [Rate(0, 60), Rate(1, float("nan"))])
def test_kind_whose_rate_makes_no_sense_waits_alone(
    engine: Engine,
    sink: EventPublisher,
    rates: RateLimiter,
    rate: Rate,
    allow_error_logs: None,
) -> None:
    catalog = CATALOG.extend([StepKind("rare_work", "default", rate=rate)])
    engine.submit(1, "rare_work")
    engine.submit(2)
    assert make_dispatcher(engine, sink, rates, catalog=catalog).publish_ready() == 2


LOCKS = (
    "LOCK TABLE hardware_encoder IN ACCESS EXCLUSIVE MODE",
    "SELECT 1 FROM run WHERE hardware IS NOT NULL FOR UPDATE",
    "SELECT 1 FROM step WHERE hardware IS NOT NULL FOR UPDATE",
)


@pytest.mark.parametrize("lock", LOCKS)
def test_work_without_hardware_goes_out_while_offers_cannot_be_read(
    engine: Engine, database: Database, lock: str
) -> None:
    engine.submit(1, "hardware_work")
    engine.submit(2)
    with rows.locked(database, lock):
        engine.dispatcher.publish_ready()
        assert len(engine.post.sent) >= 2
    engine.dispatcher.publish_ready()
    assert len(engine.post.sent) == 3


def test_queue_that_takes_no_message_keeps_no_other_from_its_own(
    engine: Engine, sink: EventPublisher, rates: RateLimiter
) -> None:
    """Something else may be stored under its name in Redis."""
    broken = {"runtime"}

    def send(run: ReadyRun) -> None:
        if run.queue in broken:
            raise RedisUnavailable("WRONGTYPE")
        engine.post.send(run)

    dispatcher = make_dispatcher(engine, sink, rates)
    dispatcher._send = send
    engine.submit(3, "urgent_work")
    engine.submit(3)
    for _ in range(2):
        with pytest.raises(RedisUnavailable):
            dispatcher.publish_ready()
        assert sent_kinds(engine) == ["work"] * 3
    broken.clear()
    dispatcher.publish_ready()
    assert sent_kinds(engine) == ["urgent_work"] * 3 + ["work"] * 3


def test_messages_lost_by_one_queue_are_sent_again_though_another_cannot_be_measured(
    engine: Engine, sink: EventPublisher, rates: RateLimiter
) -> None:
    engine.submit(1, "urgent_work")
    engine.submit(1)
    engine.dispatcher.publish_ready()
    engine.post.lose()

    def measure_depth(queue: str) -> int:
        if queue == "runtime":
            raise RedisUnavailable("WRONGTYPE")
        return engine.post.measure_depth(queue)

    dispatcher = make_dispatcher(engine, sink, rates)
    dispatcher._measure_depth = measure_depth
    assert dispatcher.republish_lost(older_than_seconds=0) == 1
    assert engine.post.sent[-1].kind == "work"


def test_unknown_kind_that_cannot_be_held_keeps_no_other_unheld(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, allow_error_logs: None
) -> None:
    strange, other = engine.submit(2)
    change = "UPDATE run SET kind = :kind WHERE job_id = :id"
    rows.change(engine.database, change, kind="strange", id=strange.id)
    rows.change(engine.database, change, kind="other", id=other.id)
    dispatcher = engine.dispatcher
    hold = dispatcher._unknown.hold_or_move

    def fail_strange(connection, kind, run_ids):  # type: ignore[no-untyped-def]
        if kind == "strange":
            raise ValueError("its code raises")
        return hold(connection, kind, run_ids)

    monkeypatch.setattr(dispatcher._unknown, "hold_or_move", fail_strange)
    assert dispatcher.hold_unknown() == 1


@pytest.mark.parametrize("window", [1, 8, 16])
def test_short_job_goes_past_a_crowd_that_has_been_due_for_long(
    engine: Engine, sink: EventPublisher, rates: RateLimiter, window: int
) -> None:
    """Six hundred chunks filled the list of due runs, whichever of them might go out."""
    engine.submit(3, "crowd")
    rows.change(engine.database, "UPDATE run SET turn = turn - 3600000")
    rows.change(engine.database, "UPDATE run SET is_crowd = true")
    dispatcher = make_dispatcher(engine, sink, rates, window=window)
    for _ in range(3):
        dispatcher.publish_ready()
        running = [engine.claim(ready) for ready in list(engine.post.lying)]
        (short,) = engine.submit(1)
        run_id = rows.queued_runs(engine.database, short.id)["work"]
        for _ in range(2):
            dispatcher.publish_ready()
            for ready in list(engine.post.lying):
                engine.finish(ready)
        assert run_id in {run.id for run in engine.post.sent}
        for run in running:
            rows.succeed(engine.database, run)


def test_step_of_another_kind_does_not_wait_for_all_chunks_of_its_job(engine: Engine) -> None:
    (job,) = engine.submit(1, "crowd_with_audio")
    runs = rows.queued_runs(engine.database, job.id)
    engine.dispatcher.publish_ready()
    assert runs["audio"] in {run.id for run in engine.post.sent}
