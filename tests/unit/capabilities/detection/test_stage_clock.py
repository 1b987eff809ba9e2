"""Stages within stages: each counts only its own time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cinemill.capabilities.detection import stage_clock
from cinemill.capabilities.detection.stage_clock import StageClock


class Time:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(stage_clock, "time", time)
    return time


def test_inner_stage_is_not_counted_in_the_outer_one(time: Time) -> None:
    clock = StageClock()
    with clock.measure("outer"):
        time.now += 1
        for _ in range(2):
            with clock.measure("inner"):
                time.now += 3
        time.now += 5
    with clock.measure("outer"):
        time.now += 7
    assert clock.list_seconds() == {"inner": 6, "outer": 13}


def test_interleaved_iterators_are_told_apart(time: Time) -> None:
    clock = StageClock()

    def read() -> Iterator[int]:
        for number in range(3):
            time.now += 2
            yield number

    def find(frames: Iterator[int]) -> Iterator[int]:
        for frame in frames:
            time.now += 10
            yield frame

    for _ in clock.iterate("faces", find(clock.iterate("frames", read()))):
        time.now += 1000
        with clock.measure("features"):
            time.now += 50
    assert clock.list_seconds() == {"frames": 6, "faces": 30, "features": 150}


def test_stage_that_fails_is_counted(time: Time) -> None:
    clock = StageClock()
    with pytest.raises(ValueError, match="broken"), clock.measure("index"):
        time.now += 4
        raise ValueError("broken")
    assert clock.list_seconds() == {"index": 4}
