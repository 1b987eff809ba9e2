"""Progress in logs: a line for each change, and a limited number of lines between changes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.cli.progress import LineDisplay
from cinemill.client import ProgressEvent

Captured = tuple[LineDisplay, list[tuple[float, str]]]
"""A display, and the lines it has printed: seconds, words."""


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def event(progress: float, *, stage: str = "prepare", left: float | None = None) -> ProgressEvent:
    return ProgressEvent("", "running", progress, "Encoding the preview copy", stage, left, None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Captured:
    lines: list[tuple[float, str]] = []
    monkeypatch.setattr(
        "cinemill.cli.progress.print_message", lambda words: lines.append((clock(), words))
    )
    return LineDisplay(clock), lines


def test_line_display_prints_a_long_stage_every_ten_seconds(
    captured: Captured, clock: Clock
) -> None:
    display, lines = captured
    for second in range(61):
        clock.now = float(second)
        display.on_event("film.mp4", event(second / 10, left=600.0 - second))
    assert [at for at, _ in lines] == [0, 10, 20, 30, 40, 50, 60]
    assert lines[1][1] == "film.mp4: 1% Encoding the preview copy, about 9 min 50 s left"


def test_line_display_prints_a_quick_stage_every_ten_percent(
    captured: Captured, clock: Clock
) -> None:
    display, lines = captured
    for percent in range(101):
        clock.now = percent / 5
        display.on_event("film.mp4", event(percent))
    assert [words.split()[1] for _, words in lines] == [f"{n}%" for n in range(0, 101, 10)]


def test_line_display_prints_a_change_of_stage_at_once(captured: Captured) -> None:
    display, lines = captured
    for stage in ("probe", "prepare", "prepare", "publish"):
        display.on_event("film.mp4", event(5, stage=stage))
    assert len(lines) == 3


def test_line_display_prints_an_upload_until_it_is_accepted(
    captured: Captured, clock: Clock
) -> None:
    display, lines = captured
    for megabytes in range(0, 101, 5):
        clock.now = megabytes / 5
        display.sent("film.mp4", megabytes * 1_000_000, 100_000_000)
    assert [words for _, words in lines][:2] == [
        "film.mp4: 10% uploaded, 18 s left",
        "film.mp4: 20% uploaded, 16 s left",
    ]
    assert not any(words.startswith("film.mp4: sent") for _, words in lines)
    display.accepted("film.mp4", "397dee33")
    assert lines[-1][1] == "film.mp4: uploaded, job 397dee33"


def test_line_display_repeats_a_waiting_job_every_minute(captured: Captured, clock: Clock) -> None:
    display, lines = captured
    display.on_event("a.mp4", event(0, stage="queued"))
    display.on_event("b.mp4", ProgressEvent("", "completed", 100, "Done", "", None, None))
    for second in range(0, 125, 5):
        clock.now = float(second)
        display.wait()
    assert [(at, words) for at, words in lines if "still" in words] == [
        (60, "a.mp4: still 0% Encoding the preview copy"),
        (120, "a.mp4: still 0% Encoding the preview copy"),
    ]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), min_size=1, max_size=200))
def test_line_display_limits_lines_of_one_stage(steps: list[tuple[float, float]]) -> None:
    clock, lines = Clock(), []
    display, progress = LineDisplay(clock), 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "cinemill.cli.progress.print_message", lambda _: lines.append((clock(), progress))
        )
        for seconds, percent in steps:
            clock.now += seconds
            progress = min(100.0, progress + percent)
            display.on_event("film.mp4", event(progress))
    for (at, before), (later, after) in pairwise(lines):
        assert later - at >= 10 or (after - before >= 10 and later - at >= 1)
