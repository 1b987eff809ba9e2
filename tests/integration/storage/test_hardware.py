"""What workers announce of their hardware, and the rest that it takes when it fails."""

from __future__ import annotations

import pytest
from tests.integration.storage import rows

from cinemill.core.hardware import Offer
from cinemill.storage import hardware
from cinemill.storage.database import Database

NODE, ENCODER = "celery@one", "hevc_qsv"
FOUND = {ENCODER: "h265", "h264_qsv": "h264"}


@pytest.fixture
def announced(database: Database) -> Database:
    with database.begin() as connection:
        hardware.announce(connection, NODE, FOUND)
    return database


def look(database: Database) -> dict[str, Offer]:
    with database.begin() as connection:
        return {offer.encoder: offer for offer in hardware.list_offers(connection)}


def fail_until_it_rests(database: Database) -> float:
    """Seconds that it rests then."""
    with database.begin() as connection:
        while not hardware.record_failure(connection, NODE, ENCODER, "device lost"):
            pass
    return look(database)[ENCODER].rests_seconds or 0.0


def test_announced_hardware_is_offered(announced: Database) -> None:
    offers = look(announced)
    assert {name: offer.codec for name, offer in offers.items()} == FOUND
    assert all(offer.is_open and offer.node == NODE for offer in offers.values())


def test_removed_hardware_is_gone_with_the_next_announcement(announced: Database) -> None:
    with announced.begin() as connection:
        hardware.announce(connection, NODE, {ENCODER: "h265"})
    assert list(look(announced)) == [ENCODER]


def test_third_failure_in_a_row_suspends_hardware_with_the_reason(announced: Database) -> None:
    for rests in (False, False, True):
        with announced.begin() as connection:
            assert hardware.record_failure(connection, NODE, ENCODER, "device lost") is rests
    offers = look(announced)
    assert not offers[ENCODER].is_open
    assert offers[ENCODER].reason == "device lost"
    assert offers["h264_qsv"].is_open


def test_worker_restart_does_not_resume_suspended_hardware(announced: Database) -> None:
    fail_until_it_rests(announced)
    with announced.begin() as connection:
        hardware.announce(connection, NODE, FOUND)
    assert not look(announced)[ENCODER].is_open


def test_each_hardware_suspension_is_longer_up_to_an_hour(announced: Database) -> None:
    rests = [fail_until_it_rests(announced)]
    for _ in range(8):
        with announced.begin() as connection:
            hardware.suspend(connection, NODE, ENCODER, "still lost")
        rests.append(look(announced)[ENCODER].rests_seconds or 0.0)
    assert [round(seconds / 60) for seconds in rests] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_first_failure_after_a_trial_suspends_hardware_again(announced: Database) -> None:
    first = fail_until_it_rests(announced)
    with announced.begin() as connection:
        hardware.resume(connection, NODE, ENCODER)
    assert look(announced)[ENCODER].is_open
    with announced.begin() as connection:
        assert hardware.record_failure(connection, NODE, ENCODER, "lost again")
    assert (look(announced)[ENCODER].rests_seconds or 0.0) > 1.5 * first


def test_hardware_success_clears_earlier_failures(announced: Database) -> None:
    first = fail_until_it_rests(announced)
    with announced.begin() as connection:
        hardware.resume(connection, NODE, ENCODER)
        hardware.record_success(connection, NODE, ENCODER)
    assert fail_until_it_rests(announced) == pytest.approx(first, abs=5)


def test_nothing_is_kept_of_a_node_that_is_long_gone(announced: Database) -> None:
    rows.change(announced, "UPDATE hardware_encoder SET seen_at = now() - interval '30 days'")
    with announced.begin() as connection:
        hardware.announce(connection, "celery@two", FOUND)
    rows.change(announced, "UPDATE hardware_encoder SET seen_at = now()")
    assert {offer.node for offer in look(announced).values()} == {"celery@two"}
