"""From rows to messages: a window, in turn, by priority; and back from whatever was lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.integration.jobs.engine import CATALOG, Engine, Post
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.core.job import Failure, JobState, RunState
from cinemill.errors import RedisUnavailable
from cinemill.jobs import rate_limiter
from cinemill.jobs.catalog import Rate
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher, status_key
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.storage.database import Database
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.storage.jobs.new_jobs import Timing


def test_only_a_window_of_a_queue_is_let_out(engine: Engine) -> None:
    engine.submit(40)
    assert engine.dispatcher.publish_ready() == 16
    assert engine.dispatcher.publish_ready() == 0


def test_each_claim_makes_room_for_one_more(engine: Engine) -> None:
    engine.submit(40)
    engine.dispatcher.publish_ready()
    for ready in engine.post.sent[:5]:
        engine.claim(ready)
    assert engine.dispatcher.publish_ready() == 5


def test_many_workers_widen_the_window(engine: Engine) -> None:
    """Else more than sixteen workers of a queue would wait for the relay."""
    engine.submit(60)
    for _ in range(2):
        engine.dispatcher.publish_ready()
        for ready in list(engine.post.lying):
            engine.claim(ready)
    assert engine.dispatcher.publish_ready() == 28


def test_each_queue_has_its_own_window_and_the_urgent_ones_go_first(engine: Engine) -> None:
    engine.submit(20)
    engine.submit(20, "urgent_work")
    assert engine.dispatcher.publish_ready() == 32
    assert [run.queue for run in engine.post.sent] == ["runtime"] * 16 + ["default"] * 16


def test_two_users_share_a_window_however_much_each_has_queued(engine: Engine) -> None:
    engine.submit(50, owner="ann")
    engine.submit(9, owner="bob")
    engine.dispatcher.publish_ready()
    assert engine.post.owners == {"ann": 8, "bob": 8}


def test_new_user_is_served_before_one_with_a_full_window(engine: Engine) -> None:
    engine.submit(50, owner="ann")
    engine.dispatcher.publish_ready()
    engine.submit(9, owner="bob")
    for ready in engine.post.sent[:4]:
        engine.claim(ready)
    engine.dispatcher.publish_ready()
    assert [run.owner for run in engine.post.sent[16:]] == ["bob"] * 4


def test_no_owner_is_always_last_where_work_ends_at_once(narrow: Engine) -> None:
    narrow.submit(30, owner="ann")
    narrow.submit(2, owner="bob")
    for _ in range(30):
        narrow.dispatcher.publish_ready()
        narrow.finish(narrow.post.lying[0])
        if narrow.post.owners["bob"]:
            break
    assert narrow.post.owners["bob"] > 0


def test_urgent_job_goes_out_over_a_window_that_others_have_filled(engine: Engine) -> None:
    engine.submit(50)
    engine.dispatcher.publish_ready()
    (urgent,) = engine.submit(priority=10)
    engine.dispatcher.publish_ready()
    assert engine.post.sent[16:] == [
        ReadyRun(
            rows.queued_runs(engine.database, urgent.id)["work"], "local", "work", "default", 10
        )
    ]


def test_of_one_users_jobs_the_urgent_and_then_the_first_go_first(engine: Engine) -> None:
    later = [engine.submit(priority=level)[0].id for level in (3, 7, 7, 1)]
    engine.dispatcher.publish_ready()
    sent = [run.id for run in engine.post.sent]
    expected = [later[1], later[2], later[0], later[3]]
    assert sent == [rows.queued_runs(engine.database, job_id)["work"] for job_id in expected]


def test_of_a_large_job_only_a_few_steps_are_out_at_a_time(engine: Engine) -> None:
    engine.submit(kind="crowd")
    assert engine.dispatcher.publish_ready() == 8
    for ready in list(engine.post.lying):
        engine.claim(ready)
    assert engine.dispatcher.publish_ready() == 8


def test_large_job_lets_the_same_users_small_ones_by(engine: Engine) -> None:
    engine.submit(kind="crowd")
    engine.dispatcher.publish_ready()
    (small,) = engine.submit()
    engine.claim(engine.post.lying[0])
    engine.dispatcher.publish_ready()
    work = rows.queued_runs(engine.database, small.id)["work"]
    assert work in [run.id for run in engine.post.lying]


def test_queue_place_of_a_small_job_ignores_the_burst(engine: Engine) -> None:
    engine.submit(kind="crowd")
    (small,) = engine.submit()
    assert engine.service.get_job_status(small.id)["queue_place"] == 4


def test_large_job_does_not_wait_for_all_small_ones_that_come_later(engine: Engine) -> None:
    """Its turns come in time, also those of its last steps."""
    (large,) = engine.submit(kind="crowd")
    later = "UPDATE run SET turn = turn - 3600000 WHERE job_id = :id"
    rows.change(engine.database, later, id=large.id)
    engine.submit(20)
    engine.dispatcher.publish_ready()
    crowd = set(rows.queued_runs(engine.database, large.id).values())
    assert {run.id for run in engine.post.sent[:8]} <= crowd


def test_what_a_large_job_has_begun_is_tried_again_at_once(engine: Engine) -> None:
    engine.submit(kind="crowd")
    engine.dispatcher.publish_ready()
    run = engine.claim(engine.post.lying[-1])
    with engine.database.begin() as connection:
        failure = Failure("worker_stopping", "The worker was asked to stop.")
        runs.retry_later(connection, run, RunState.RETURNED, failure, delay_seconds=0)
    before = len(engine.post.sent)
    engine.dispatcher.publish_ready()
    assert not engine.post.sent[before].is_crowd


def test_retry_waits_for_its_time(engine: Engine) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    rows.fail(engine.database, engine.claim(engine.post.sent[0]), delay_seconds=60)
    assert engine.dispatcher.publish_ready() == 0
    rows.change(engine.database, "UPDATE run SET delay_ends = NULL WHERE job_id = :id", id=job.id)
    assert engine.dispatcher.publish_ready() == 1


def test_cancelled_job_is_not_let_out(engine: Engine) -> None:
    (job,) = engine.submit()
    engine.service.cancel_job(job.id)
    assert engine.dispatcher.publish_ready() == 0


def test_unsent_messages_go_out_when_redis_is_back(engine: Engine) -> None:
    engine.submit(10)
    engine.post.room = 4
    with pytest.raises(RedisUnavailable):
        engine.dispatcher.publish_ready()
    engine.post.room = None
    assert engine.dispatcher.publish_ready() == 6
    assert len({run.id for run in engine.post.sent}) == 10


def test_messages_that_redis_forgot_are_sent_again(engine: Engine) -> None:
    engine.submit(5)
    engine.dispatcher.publish_ready()
    engine.post.lose()
    assert engine.dispatcher.republish_lost(older_than_seconds=0) == 5
    assert Counter(run.id for run in engine.post.sent).most_common(1)[0][1] == 2


def test_messages_in_the_broker_are_left_there(engine: Engine) -> None:
    engine.submit(5)
    engine.dispatcher.publish_ready()
    assert engine.dispatcher.republish_lost(older_than_seconds=0) == 0


def test_messages_that_went_out_just_now_are_not_missed_yet(engine: Engine) -> None:
    engine.submit(5)
    engine.dispatcher.publish_ready()
    engine.post.lose()
    assert engine.dispatcher.republish_lost(older_than_seconds=60) == 0


def test_lost_messages_are_missed_although_fresh_ones_lie_with_the_broker(engine: Engine) -> None:
    """A queue that is never empty must not hide what was lost from it."""
    engine.submit(2)
    engine.dispatcher.publish_ready()
    engine.post.lose()
    rows.change(engine.database, "UPDATE run SET published_seconds = published_seconds - 60")
    lost = list(engine.post.sent)
    engine.submit(10)
    engine.dispatcher.publish_ready()
    assert engine.dispatcher.republish_lost(older_than_seconds=30) == 2
    assert {run.id for run in engine.post.sent[-2:]} == {run.id for run in lost}


def test_claimed_run_is_not_lost(engine: Engine) -> None:
    engine.submit(3)
    engine.dispatcher.publish_ready()
    for ready in engine.post.sent:
        engine.claim(ready)
    assert engine.dispatcher.republish_lost(older_than_seconds=0) == 0


def test_dispatchers_side_by_side_send_each_run_once(
    engine: Engine, own_redis: str, sink: EventPublisher
) -> None:
    total = 120
    engine.submit(total)
    sent: list[str] = []

    def deliver(ready: ReadyRun) -> None:
        sent.append(ready.id)
        assert rows.claim(engine.database, ready.id) is not None

    def dispatch(_: int) -> None:
        rates = RateLimiter(own_redis)
        dispatcher = Dispatcher(
            engine.database,
            sink,
            rates,
            catalog=CATALOG,
            window=5,
            send=deliver,
            measure_depth=Post().measure_depth,
        )
        while len(sent) < total:
            dispatcher.publish_ready()
        rates.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(dispatch, range(4)))
    assert len(sent) == len(set(sent)) == total


def test_rate_lets_the_first_start_and_spaces_the_rest(engine: Engine) -> None:
    engine.submit(5, "rare_work")
    assert engine.dispatcher.publish_ready() == 1
    assert engine.dispatcher.publish_ready() == 0
    waiting = "SELECT count(*) FROM run WHERE published_at IS NULL AND delay_ends IS NOT NULL"
    with engine.database.begin() as connection:
        assert connection.execute(text(waiting)).scalar_one() == 4


def test_rate_holds_back_its_own_kind_only(engine: Engine) -> None:
    engine.submit(3, "rare_work")
    engine.submit(3)
    assert engine.dispatcher.publish_ready() == 4


@pytest.mark.parametrize("step_seconds", [60.0, 7200.0, 365 * 86400.0])
def test_rate_waits_for_one_interval_at_most_after_redis_clock_was_set_back(
    own_redis: str, step_seconds: float
) -> None:
    limiter = RateLimiter(own_redis)
    with redis.Redis.from_url(own_redis) as client:
        client.set("cinemill:rate:shared", time.time() + step_seconds)
    assert 0 < limiter.admit("shared", Rate(5, 1.0)) <= 0.2
    time.sleep(0.25)
    assert limiter.admit("shared", Rate(5, 1.0)) == 0
    limiter.close()


def test_two_that_ask_in_the_same_microsecond_are_not_both_admitted(own_redis: str) -> None:
    with redis.Redis.from_url(own_redis) as client:
        for number in range(50):
            with client.pipeline(transaction=True) as both:
                for _ in range(2):
                    both.eval(rate_limiter._ADMIT, 1, f"cinemill:rate:{number}", "59.9")
                first, second = both.execute()
            assert first == b"0"
            assert 59 < float(second) <= 59.9


def test_three_clients_together_keep_one_rate(own_redis: str) -> None:
    rate = Rate(20, 1.0)
    starts: list[None] = []

    def ask(_: int) -> None:
        limiter = RateLimiter(own_redis)
        while len(starts) < 20:
            wait = limiter.admit("shared", rate)
            if wait == 0:
                starts.append(None)
            else:
                time.sleep(min(wait, 0.05))
        limiter.close()

    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(ask, range(3)))
    # At least so long, on any machine: one start is free, each other has its interval before it.
    assert time.monotonic() - began >= 0.9 * (len(starts) - 1) * rate.seconds / rate.count


def test_rates_of_other_names_do_not_mix_and_a_wait_is_no_longer_than_the_interval(
    own_redis: str,
) -> None:
    limiter = RateLimiter(own_redis)
    assert limiter.admit("one", Rate(1, 60)) == 0
    assert 59 < limiter.admit("one", Rate(1, 60)) <= 60
    assert limiter.admit("other", Rate(1, 60)) == 0
    limiter.close()


def test_without_redis_a_rate_admits_nobody() -> None:
    limiter = RateLimiter("redis://127.0.0.1:1/0")
    with pytest.raises(RedisUnavailable):
        limiter.admit("one", Rate(1, 60))
    limiter.close()


def test_crash_is_closed_once_and_tried_again_soon(engine: Engine) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    rows.let_lease_run_out(engine.database, engine.claim(engine.post.sent[0]))
    with capture_logs() as logged:
        assert engine.dispatcher.close_crashed() == 1
        assert engine.dispatcher.close_crashed() == 0
    assert [(one["event"], one["job"]) for one in logged] == [("run crashed", job.id)]
    assert rows.run_states(engine.database, job) == ["crashed", "queued"]


def test_cancelled_job_whose_worker_died_is_cancelled_all_the_same(engine: Engine) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    run = engine.claim(engine.post.sent[0])
    engine.service.cancel_job(job.id)
    rows.let_lease_run_out(engine.database, run)
    engine.dispatcher.close_crashed()
    engine.dispatcher.finish_cancels()
    assert rows.get_job(engine.database, job).state is JobState.CANCELLED


def test_worker_that_still_works_is_not_overtaken_by_the_sweeper(engine: Engine) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    run = engine.claim(engine.post.sent[0])
    engine.service.cancel_job(job.id)
    engine.dispatcher.finish_cancels()
    assert rows.get_job(engine.database, job).state is JobState.RUNNING
    with engine.database.begin() as connection:
        runs.confirm_cancel(connection, run)
    assert rows.get_job(engine.database, job).state is JobState.CANCELLED


def read_status(url: str, job_id: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return str(client.get(status_key(job_id)))


def test_end_of_a_job_is_published_once(engine: Engine, own_redis: str) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    engine.finish(engine.post.sent[0])
    assert engine.dispatcher.announce_changes() == 1
    assert engine.dispatcher.announce_changes() == 0
    assert '"status": "completed"' in read_status(own_redis, job.id)


def test_unsent_end_of_a_job_is_published_when_redis_is_back(
    engine: Engine, database: Database, own_redis: str
) -> None:
    (job,) = engine.submit()
    engine.dispatcher.publish_ready()
    engine.finish(engine.post.sent[0])
    away = EventPublisher("redis://127.0.0.1:1/0", catalog=CATALOG)
    rates = RateLimiter(own_redis)
    deaf = Dispatcher(
        database,
        away,
        rates,
        catalog=CATALOG,
        window=16,
        send=engine.post.send,
        measure_depth=engine.post.measure_depth,
    )
    assert deaf.announce_changes() == 0
    assert engine.dispatcher.announce_changes() == 1
    assert '"status": "completed"' in read_status(own_redis, job.id)
    away.close()
    rates.close()


def test_sweeper_that_is_run_by_two_at_once_does_everything_once(engine: Engine) -> None:
    jobs = engine.submit(10)
    engine.dispatcher.publish_ready()
    for ready in list(engine.post.sent):
        rows.let_lease_run_out(engine.database, engine.claim(ready))
    closed: list[int] = []
    threads = [
        threading.Thread(target=lambda: closed.append(engine.dispatcher.close_crashed()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(closed) == 10
    assert {rows.get_steps(engine.database, job)["work"].crashes for job in jobs} == {1}


def test_job_that_was_due_waits_in_the_queue(engine: Engine) -> None:
    """By its countdown, which counts with the engine's clock; nobody claims it."""
    soon, late = (
        engine.submit(timing=Timing(delay_seconds=seconds))[0].id for seconds in (0.001, 3600)
    )

    def is_queued() -> bool:
        engine.dispatcher.publish_ready()
        return engine.service.get_job(soon).message == "Waiting in the queue"

    wait_until(is_queued)
    assert engine.service.get_job(late).message == "Waiting until it is due"
