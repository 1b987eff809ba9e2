"""Work that requests hardware goes to a worker that offers it, and is never stranded."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.integration.jobs.engine import Engine
from tests.integration.jobs.test_turns import queue_many
from tests.integration.storage import rows

from cinemill.storage import hardware
from cinemill.storage.database import Connection
from cinemill.storage.hardware import ROUTED_AT_ONCE

NODE = "celery@one"
MANY = 5000


def announce(engine: Engine, node: str = NODE, codec: str = "h264") -> None:
    """As a worker with hardware does."""
    with engine.database.begin() as connection:
        hardware.announce(connection, node, {f"{codec}_nvenc": codec})


def fall_silent(engine: Engine) -> None:
    rows.change(engine.database, "UPDATE hardware_encoder SET seen_at = now() - interval '1 hour'")


def fail(engine: Engine, times: int) -> None:
    for _ in range(times):
        with engine.database.begin() as connection:
            hardware.record_failure(connection, NODE, "h264_nvenc", "No capable devices found")


def publish(engine: Engine) -> list[str]:
    """The queues that the newly published went to."""
    before = len(engine.post.sent)
    engine.dispatcher.publish_ready()
    return [run.queue for run in engine.post.sent[before:]]


def test_hardware_request_goes_to_the_queue_of_nodes_with_the_hardware(engine: Engine) -> None:
    announce(engine)
    engine.submit(2, "hardware_work")
    engine.submit()
    assert sorted(publish(engine)) == ["default", "gpu_h264", "gpu_h264"]


def test_hardware_request_without_hardware_waits_in_the_common_queue(engine: Engine) -> None:
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["default"]


def test_hardware_for_another_codec_is_not_used(engine: Engine) -> None:
    announce(engine, codec="h265")
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["default"]


def test_node_that_fell_silent_offers_nothing(engine: Engine) -> None:
    announce(engine)
    fall_silent(engine)
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["default"]


def test_stopping_node_offers_no_hardware(engine: Engine) -> None:
    announce(engine)
    with engine.database.begin() as connection:
        hardware.withdraw(connection, NODE)
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["default"]


def test_what_waits_for_a_node_that_dies_is_sent_to_the_others(engine: Engine) -> None:
    announce(engine)
    (job,) = engine.submit(kind="hardware_work")
    assert publish(engine) == ["gpu_h264"]
    fall_silent(engine)
    assert publish(engine) == ["default"]
    engine.finish(engine.post.sent[-1])
    assert engine.service.get_job(job.id).state.is_final


def test_message_left_in_the_hardware_queue_does_nothing(engine: Engine) -> None:
    announce(engine)
    engine.submit(kind="hardware_work")
    publish(engine)
    fall_silent(engine)
    publish(engine)
    left, sent = engine.post.sent
    assert left.id == sent.id
    engine.claim(sent)
    assert rows.claim(engine.database, left.id) is None


def test_run_that_has_begun_is_not_rerouted(engine: Engine) -> None:
    announce(engine)
    engine.submit(kind="hardware_work")
    publish(engine)
    engine.claim(engine.post.sent[0])
    fall_silent(engine)
    assert publish(engine) == []


def test_retry_is_routed_by_the_hardware_available_then(engine: Engine) -> None:
    announce(engine)
    engine.submit(kind="hardware_work")
    publish(engine)
    rows.fail(engine.database, engine.claim(engine.post.sent[0]), delay_seconds=0)
    assert publish(engine) == ["gpu_h264"]
    rows.fail(engine.database, engine.claim(engine.post.sent[1]), delay_seconds=0)
    fall_silent(engine)
    assert publish(engine) == ["default"]


def test_hardware_that_fails_three_times_in_a_row_gets_no_more_work(engine: Engine) -> None:
    announce(engine)
    fail(engine, 2)
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["gpu_h264"]
    fail(engine, 1)
    assert publish(engine) == ["default"]


def test_as_long_as_one_node_serves_work_goes_there(engine: Engine) -> None:
    announce(engine)
    announce(engine, "celery@two")
    fail(engine, 3)
    engine.submit(kind="hardware_work")
    assert publish(engine) == ["gpu_h264"]


def test_messages_for_hardware_that_the_broker_lost_are_sent_again(engine: Engine) -> None:
    announce(engine)
    engine.submit(3, "hardware_work")
    publish(engine)
    engine.post.lose()
    assert engine.dispatcher.republish_lost(older_than_seconds=0) == 3
    assert [run.queue for run in engine.post.lying] == ["gpu_h264"] * 3


@pytest.mark.parametrize("times", [1, 2])
def test_success_between_failures_forgives_them(engine: Engine, times: int) -> None:
    announce(engine)
    for _ in range(2):
        fail(engine, times)
        with engine.database.begin() as connection:
            hardware.record_success(connection, NODE, "h264_nvenc")
    with engine.database.begin() as connection:
        (offer,) = hardware.list_offers(connection)
    assert offer.is_open
    assert offer.reason == ""


def test_many_runs_are_moved_in_portions_and_none_is_left(engine: Engine) -> None:
    """A node that came or went had a hundred thousand runs rewritten in one turn of the relay."""
    queue_many(engine.database, 2 * ROUTED_AT_ONCE + 100)
    rows.change(engine.database, "UPDATE run SET hardware = 'h264'")
    announce(engine)
    assert [count_routed(engine) for _ in range(4)] == [1000, 2000, 2100, 2100]
    fall_silent(engine)
    assert [count_routed(engine) for _ in range(4)] == [1100, 100, 0, 0]


def count_routed(engine: Engine) -> int:
    with engine.database.begin() as connection:
        hardware.route(connection)
        query = text("SELECT count(*) FROM run WHERE queue = 'gpu_h264'")
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize(("queue", "is_offered"), [("gpu_h264", True), ("default", False)])
def test_route_reads_none_that_are_where_they_belong(
    engine: Engine, queue: str, is_offered: bool
) -> None:
    queue_many(engine.database, MANY)
    rows.change(engine.database, "UPDATE run SET hardware = 'h264', queue = :queue", queue=queue)
    rows.change(engine.database, "ANALYZE run")
    if is_offered:
        announce(engine)
    with engine.database.begin() as connection:
        before = count_read(connection)
        assert hardware.route(connection) == []
        assert count_read(connection) - before < 50


def count_read(connection: Connection) -> int:
    """Return how many runs this session has read, since it last reported it to the server."""
    query = """
        SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'run'
    """
    return int(connection.execute(text(query)).scalar_one())
