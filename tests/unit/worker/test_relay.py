"""What the relay logs of faults: each once in a while, however often it meets them."""

from __future__ import annotations

import pytest

from cinemill.errors import DatabaseUnavailable, LockTimeout
from cinemill.worker import relay
from cinemill.worker.messages.throttle import ThrottledLog

Lines = list[dict[str, object]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What the relay's log was given."""
    written: Lines = []

    class Log:
        def warning(self, _event: str, **facts: object) -> None:
            written.append(facts)

        error = warning

    throttled = ThrottledLog("relay")
    monkeypatch.setattr(throttled, "_log", Log())
    monkeypatch.setattr(relay, "often", throttled)
    return written


def test_the_same_fault_is_logged_once(lines: Lines) -> None:
    for _ in range(100):
        relay._log_fault("publish", DatabaseUnavailable("away"))
    assert [(line["duty"], line["why"]) for line in lines] == [("publish", "away")]


def test_other_duties_and_other_reasons_are_logged_too(lines: Lines) -> None:
    relay._log_fault("publish", DatabaseUnavailable("away"))
    relay._log_fault("publish", LockTimeout("locked"))
    relay._log_fault("announce", LockTimeout("locked"))
    relay._log_fault("announce", KeyError("kind"))
    assert len(lines) == 4


def test_later_it_is_logged_again_with_how_often_it_was_left_out(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        relay._log_fault("publish", DatabaseUnavailable("away"))
    monkeypatch.setattr(relay.often, "_interval_seconds", 0.0)
    relay._log_fault("publish", DatabaseUnavailable("away"))
    assert [line.get("left_out") for line in lines] == [None, 2]
