"""Lasting faults are logged when they begin and then occasionally."""

from __future__ import annotations

from structlog.testing import capture_logs

from cinemill.worker.messages.throttle import ThrottledLog


def test_throttled_warning_is_logged_once_whatever_its_details() -> None:
    with capture_logs() as records:
        log = ThrottledLog("test")
        for number in range(100):
            log.warning("it refuses", why=str(number))
            log.warning("something else")
    assert [(line["event"], line.get("why")) for line in records] == [
        ("it refuses", "0"),
        ("something else", None),
    ]


def test_throttled_warning_is_logged_again_with_the_number_left_out() -> None:
    with capture_logs() as records:
        log = ThrottledLog("test", interval_seconds=3600)
        for _ in range(3):
            log.warning("it refuses")
        log._interval_seconds = 0
        log.warning("it refuses")
        log.warning("it refuses")
    assert [line.get("left_out") for line in records] == [None, 2, None]
