"""Clocks of moments."""

from __future__ import annotations

import pytest

from cinemill.cli.commands.search.moments import format_clock, format_range, show_vectors_hint


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(0, "00:00:00"), (65.999, "00:01:05"), (3600, "01:00:00"), (43_199, "11:59:59")],
)
def test_clock_has_hours_minutes_and_seconds(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock


def test_range_has_two_clocks() -> None:
    assert format_range(9.5, 61) == "00:00:09-00:01:01"


@pytest.mark.parametrize(
    ("state", "hint", "shown"),
    [
        ("used", "", ""),
        ("used", "Qdrant is away.", "Qdrant is away.\n"),
        ("not_used", "Qdrant is away.", ""),
        ("model_missing", "Fetch it.", "Searched by words and names only. Fetch it.\n"),
    ],
)
def test_hint_says_what_was_not_compared(
    state: str, hint: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_vectors_hint(state, hint)
    assert capsys.readouterr().err == shown
