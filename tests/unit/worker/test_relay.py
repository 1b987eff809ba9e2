"""What the relay says of faults: each once in a while, however often it meets them."""

from __future__ import annotations

import pytest

from cinemill.errors import DatabaseUnavailable, LockTimeout
from cinemill.worker import relay
from cinemill.worker.relay import Complaints


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Complaints as they are logged."""
    lines: list[dict[str, object]] = []

    class Log:
        def warning(self, _event: str, **facts: object) -> None:
            lines.append(facts)

        error = warning

    monkeypatch.setattr(relay, "log", Log())
    return lines


def test_the_same_complaint_is_logged_once(said: list[dict[str, object]]) -> None:
    complaints = Complaints()
    for _ in range(100):
        complaints.note("publish", DatabaseUnavailable("away"))
    assert [(line["duty"], line["why"]) for line in said] == [("publish", "away")]


def test_other_duties_and_other_reasons_are_logged_too(said: list[dict[str, object]]) -> None:
    complaints = Complaints()
    complaints.note("publish", DatabaseUnavailable("away"))
    complaints.note("publish", LockTimeout("locked"))
    complaints.note("announce", LockTimeout("locked"))
    complaints.note("announce", KeyError("kind"))
    assert len(said) == 4


def test_later_it_is_logged_again_with_how_often_it_was_meant(
    said: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints = Complaints()
    for _ in range(3):
        complaints.note("publish", DatabaseUnavailable("away"))
    monkeypatch.setattr(relay, "REPEAT_SECONDS", 0.0)
    complaints.note("publish", DatabaseUnavailable("away"))
    assert [line["times"] for line in said] == [1, 3]
