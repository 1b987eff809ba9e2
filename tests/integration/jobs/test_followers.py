"""Jobs that wait for others: a retry of what they follow, and two relays at the same one."""

from __future__ import annotations

from collections.abc import Sequence

from tests.integration.jobs.engine import CATALOG, Engine
from tests.integration.storage import rows

from cinemill.core.job import JobState
from cinemill.jobs.adoption.release import RELEASED_AT_ONCE, Releaser
from cinemill.jobs.catalog import RetryPolicy
from cinemill.storage.jobs.waiting.followers import Follower, insert_follower, lock_ready

LONG = 1100
"""More jobs in a row than Python has calls within each other."""


def follow(
    engine: Engine,
    job_id: str,
    after: Sequence[str],
    *,
    on: str = "success",
    priority: int | None = 5,
) -> str:
    """Have a job wait for others."""
    follower = Follower(
        id=job_id,
        kind="work",
        owner="ann",
        priority=priority,
        call={"args": [], "kwargs": {}, "immutable": True, "on": on, "priority": priority},
        after=after,
    )
    with engine.database.begin() as connection:
        insert_follower(connection, follower)
    return job_id


def fail_first(engine: Engine) -> str:
    """Return a job that has failed, with all that waits cancelled, as the relay does."""
    (first,) = engine.submit()
    rows.mark_dead(engine.database, rows.start(engine.database, first))
    return first.id


def cancel_waiting(engine: Engine) -> None:
    rows.change(
        engine.database,
        """
        WITH ended AS (UPDATE job_wait SET call = call || '{"is_ended": true}')
        UPDATE job SET state = 'cancelled', cancel_reason = 'It failed', finished_at = now()
        WHERE id IN (SELECT job_id FROM job_wait)
        """,
    )


def list_states(engine: Engine, job_ids: Sequence[str]) -> set[JobState]:
    return {engine.service.get_job(job_id).state for job_id in job_ids}


def test_long_chain_waits_again_for_a_job_that_is_retried(engine: Engine) -> None:
    last = first = fail_first(engine)
    for number in range(LONG):
        last = follow(engine, f"long-{number}", [last])
    cancel_waiting(engine)
    engine.service.retry_job(first)
    assert list_states(engine, ["long-0", last]) == {JobState.PENDING}


def test_job_that_waits_for_two_of_them_is_no_obstacle_to_a_retry(engine: Engine) -> None:
    first = fail_first(engine)
    near = follow(engine, "a-near", [first])
    far = follow(engine, "b-far", [first, near])
    cancel_waiting(engine)
    engine.service.retry_job(first)
    assert list_states(engine, [near, far]) == {JobState.PENDING}


def test_what_a_person_has_cancelled_does_not_wait_again(engine: Engine) -> None:
    (first,) = engine.submit()
    run = rows.start(engine.database, first)
    unwanted = follow(engine, "unwanted", [first.id])
    beyond = follow(engine, "beyond", [unwanted])
    wanted = follow(engine, "wanted", [first.id])
    engine.service.cancel_job(unwanted, "not wanted")
    rows.mark_dead(engine.database, run)
    releaser = make_releaser(engine)
    for _ in range(2):
        releaser.release_all()
    assert list_states(engine, [unwanted, beyond, wanted]) == {JobState.CANCELLED}
    engine.service.retry_job(first.id)
    assert engine.service.get_job(wanted).state is JobState.PENDING
    assert list_states(engine, [unwanted, beyond]) == {JobState.CANCELLED}
    engine.service.retry_job(unwanted)
    assert list_states(engine, [unwanted, beyond]) == {JobState.PENDING}


def test_error_link_that_a_person_has_cancelled_waits_for_no_more(engine: Engine) -> None:
    (one,), (two,) = engine.submit(), engine.submit()
    follow(engine, "if-it-fails", [one.id], on="failure")
    engine.service.cancel_job("if-it-fails", "not wanted")
    follow(engine, "if-it-fails", [two.id], on="failure")
    assert list_states(engine, ["if-it-fails"]) == {JobState.CANCELLED}


def make_releaser(engine: Engine) -> Releaser:
    return Releaser(engine.database, catalog=CATALOG, limits=RetryPolicy())


def test_many_that_follow_one_job_begin_in_several_turns(engine: Engine) -> None:
    first = engine.claim_and_finish()
    ids = [follow(engine, f"many-{number}", [first]) for number in range(RELEASED_AT_ONCE + 5)]
    releaser = make_releaser(engine)
    assert releaser.release_after([first]) is False
    begun = sum(bool(rows.queued_runs(engine.database, job_id)) for job_id in ids)
    assert begun == RELEASED_AT_ONCE
    assert releaser.release_after([first]) is True
    assert all(rows.queued_runs(engine.database, job_id) for job_id in ids)


def test_what_follows_a_deleted_job_does_not_wait_for_it_to_be_submitted(engine: Engine) -> None:
    (first,) = engine.submit()
    ids = [follow(engine, "after", [first.id]), follow(engine, "far", ["after"])]
    engine.service.stop_and_delete(first.id)
    releaser = make_releaser(engine)
    for _ in ids:
        releaser.release_all()
    assert list_states(engine, ids) == {JobState.CANCELLED}


def test_what_follows_an_old_job_that_is_deleted_does_not_wait_either(engine: Engine) -> None:
    first = fail_first(engine)
    waiting = follow(engine, "after", [first])
    rows.change(
        engine.database, "UPDATE job SET finished_at = '2020-01-01' WHERE id = :id", id=first
    )
    assert engine.service.delete_old_jobs(30) == 1
    make_releaser(engine).release_all()
    assert list_states(engine, [waiting]) == {JobState.CANCELLED}


def test_lowest_priority_is_a_priority(engine: Engine) -> None:
    first = engine.claim_and_finish()
    ids = [
        follow(engine, f"of-{priority}", [first], priority=priority) for priority in (0, 7, None)
    ]
    make_releaser(engine).release_all()
    found = [engine.service.get_job(job_id).priority for job_id in ids]
    assert found == [0, 7, CATALOG.queues["default"].priority]


def test_error_link_of_several_jobs_begins_if_any_of_them_failed(engine: Engine) -> None:
    done, failed = engine.claim_and_finish(), fail_first(engine)
    begun = follow(engine, "begun", [done, failed], on="failure")
    left = follow(engine, "left", [done, engine.claim_and_finish()], on="failure")
    make_releaser(engine).release_all()
    assert rows.queued_runs(engine.database, begun)
    assert list_states(engine, [left]) == {JobState.CANCELLED}


def test_call_of_a_job_that_is_begun_is_locked_with_it(engine: Engine) -> None:
    """A second relay, which has looked before the first one's end, would begin the job again."""
    waiting = follow(engine, "taken", [engine.claim_and_finish()])
    with engine.database.begin() as connection:
        with rows.locked(engine.database, "SELECT 1 FROM job_wait FOR UPDATE"):
            assert lock_ready(connection, waiting) is None
        assert lock_ready(connection, waiting) is not None
