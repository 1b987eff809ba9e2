"""The relay's log of faults: each fault only now and then, however often it occurs."""

from __future__ import annotations

import pytest

from cinemill.errors import DatabaseUnavailable, LockTimeout
from cinemill.worker import relay
from cinemill.worker.messages.throttle import ThrottledLog

Lines = list[dict[str, object]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Return the records of the relay's log."""
    written: Lines = []

    class Log:
        def warning(self, _event: str, **facts: object) -> None:
            written.append(facts)

        error = warning

    throttled = ThrottledLog("relay")
    monkeypatch.setattr(throttled, "_log", Log())
    monkeypatch.setattr(relay, "often", throttled)
    return written


def test_relay_logs_a_repeated_fault_once(lines: Lines) -> None:
    for _ in range(100):
        relay._log_fault("publish", DatabaseUnavailable("away"))
    assert [(line["duty"], line["why"]) for line in lines] == [("publish", "away")]


def test_relay_logs_faults_of_other_duties_and_reasons(lines: Lines) -> None:
    relay._log_fault("publish", DatabaseUnavailable("away"))
    relay._log_fault("publish", LockTimeout("locked"))
    relay._log_fault("announce", LockTimeout("locked"))
    relay._log_fault("announce", KeyError("kind"))
    assert len(lines) == 4


def test_relay_logs_a_lasting_fault_again_with_the_number_left_out(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        relay._log_fault("publish", DatabaseUnavailable("away"))
    monkeypatch.setattr(relay.often, "_interval_seconds", 0.0)
    relay._log_fault("publish", DatabaseUnavailable("away"))
    assert [line.get("left_out") for line in lines] == [None, 2]
