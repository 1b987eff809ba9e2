"""Clocks of moments."""

from __future__ import annotations

import pytest

from cinemill.cli.commands.search.moments import format_clock, format_range


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(0, "00:00:00"), (65.999, "00:01:05"), (3600, "01:00:00"), (43_199, "11:59:59")],
)
def test_clock_has_hours_minutes_and_seconds(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock


def test_range_has_two_clocks() -> None:
    assert format_range(9.5, 61) == "00:00:09-00:01:01"
