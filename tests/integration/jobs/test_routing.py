"""Work that requests hardware goes to a worker that offers it, and is never stranded."""

from __future__ import annotations

import pytest
from tests.integration.jobs.engine import Engine
from tests.integration.storage import rows

from cinemill.storage import hardware

NODE = "celery@one"


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
