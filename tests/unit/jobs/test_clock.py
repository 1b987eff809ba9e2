"""The engine's clock: whatever the database's clock shows, and whoever restarts."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.planning.clock import (
    CALENDAR_PACE,
    JUMP_SECONDS,
    LONGEST_LAG_SECONDS,
    MOST_DOWNTIME_SECONDS,
    Reading,
    reckon,
)
from cinemill.storage.clock import ClockLook, StoredClock

TURN_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
YEAR_SECONDS = 365 * 24 * 3600.0


@dataclass
class World:
    """A database's clock that can be set, and two relays that can be restarted."""

    now: float = 0.0
    wall: float = 1.8e9
    stored: StoredClock | None = None
    relays: list[Reading | None] = field(default_factory=lambda: [None, None])
    jumps: list[float] = field(default_factory=list)
    relay_count: int = 2

    def pass_time(self, seconds: float) -> None:
        for number in range(max(1, int(seconds / TURN_SECONDS))):
            self.wait(TURN_SECONDS)
            self.turn(number % self.relay_count)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def turn(self, relay: int = 0, answer_seconds: float = 0.0) -> Reading:
        """Plan once, with an answer that takes so long."""
        asked = self.now
        seen = ClockLook(self.wall, self.stored, None)
        self.wait(answer_seconds)
        reading = reckon(self.relays[relay], seen, asked, self.now)
        self.relays[relay] = reading
        self.stored = StoredClock(
            reading.seconds, seen.wall, reading.calendar, reading.jumps, reading.behind_since
        )
        if reading.jump_seconds:
            self.jumps.append(reading.jump_seconds)
        return reading


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(4, 20)),
        st.tuples(st.just("set clock"), st.floats(-1e8, 1e8)),
        st.tuples(st.just("restart"), st.integers(0, 1)),
        st.tuples(st.just("pause"), st.floats(0, LONGEST_PAUSE_SECONDS)),
    ),
    max_size=10,
)


def play(world: World, actions: list[tuple[str, float]]) -> None:
    for name, figure in actions:
        if name == "pass":
            world.pass_time(figure)
        elif name == "set clock":
            world.wall += figure
        elif name == "restart":
            world.relays[int(figure)] = None
        else:
            world.turn(0, figure)  # PostgreSQL answers late


@given(ACTIONS, st.floats(4, 30))
def test_clock_runs_as_fast_as_time_whatever_was_before(
    actions: list[tuple[str, float]], seconds: float
) -> None:
    world = World()
    play(world, actions)
    before, began = world.turn().seconds, world.now
    world.pass_time(seconds)
    # A relay that began may be behind the other one, by a turn and by what PostgreSQL took to
    # answer each time that it began again meanwhile.
    behind_seconds = TURN_SECONDS + sum(figure for name, figure in actions if name == "pause")
    found = world.turn().seconds - before
    assert found == pytest.approx(world.now - began, abs=behind_seconds + 1e-3)


@given(ACTIONS, st.floats(4, 30))
def test_clock_of_one_relay_is_exact(actions: list[tuple[str, float]], seconds: float) -> None:
    world = World(relay_count=1)
    play(world, actions)
    before, began = world.turn().seconds, world.now
    world.pass_time(seconds)
    assert world.turn().seconds - before == pytest.approx(world.now - began, abs=1e-3)


@given(ACTIONS)
def test_clock_never_goes_back_nor_ahead_of_time(actions: list[tuple[str, float]]) -> None:
    world = World()
    last = world.turn().seconds
    for action in actions:
        began = world.now
        play(world, [action])
        seconds = world.turn().seconds
        assert 0 <= seconds - last <= world.now - began + 1e-3
        last = seconds


@pytest.mark.parametrize("step", [-YEAR_SECONDS, -7200.0, -600.0, 120.0, 7200.0, YEAR_SECONDS])
def test_jump_is_noticed_once_by_two_relays(step: float) -> None:
    world = World()
    world.pass_time(20)
    world.wall += step
    world.pass_time(20)
    assert world.jumps == [pytest.approx(step, abs=JUMP_SECONDS)]


def test_clock_that_went_back_while_no_relay_ran_is_noticed() -> None:
    world = World()
    world.pass_time(20)
    world.relays = [None, None]
    world.wait(60)
    world.wall -= 7200
    world.pass_time(20)
    assert len(world.jumps) == 1
    assert world.jumps[0] < -7000


def test_slow_answer_and_slewing_are_no_jumps() -> None:
    world = World()
    for _ in range(100):
        world.pass_time(4)
        world.wall += 0.01
        world.turn(0, 30.0)
    assert world.jumps == []


def test_jump_whose_record_was_rolled_back_is_recorded_with_the_next_turn() -> None:
    world = World()
    world.turn()
    before = world.stored
    world.wall += 120
    world.turn()
    world.stored = before
    world.wait(1)
    assert world.turn().jump_seconds == pytest.approx(120, abs=JUMP_SECONDS)
    assert world.stored is not None
    assert world.stored.jumps == 1


@given(ACTIONS)
def test_calendar_is_never_ahead_of_the_clock_and_leaps_by_a_day_at_most(
    actions: list[tuple[str, float]],
) -> None:
    """A year's leap must not make everything that is kept for thirty days a year old."""
    world = World()
    last = world.turn().calendar
    for action in actions:
        began = world.now
        play(world, [action])
        reading = world.turn()
        gain = CALENDAR_PACE * (world.now - began)
        assert reading.calendar <= reading.wall
        if reading.calendar > last:
            leap = MOST_DOWNTIME_SECONDS if action[0] == "restart" else 0.0
            assert reading.calendar - last <= gain + leap + 61
        last = reading.calendar


def test_calendar_follows_the_clock_in_ordinary_times_and_after_a_night_off() -> None:
    world = World()
    world.pass_time(100)
    world.relays = [None, None]
    world.wait(12 * 3600)
    reading = world.turn()
    # A relay that began a turn after the other may be behind it by one.
    assert reading.wall - TURN_SECONDS <= reading.calendar <= reading.wall


def test_calendar_catches_up_with_a_clock_that_was_set_right() -> None:
    world = World()
    world.pass_time(20)
    world.wall += 3600
    assert world.turn().calendar < world.wall - 3500
    world.pass_time(3700)
    reading = world.turn()
    assert reading.wall - TURN_SECONDS <= reading.calendar <= reading.wall


@pytest.mark.parametrize("wrong_by", [-50 * YEAR_SECONDS, 0.0])
def test_calendar_is_behind_a_clock_that_leapt_for_a_month_at_most(wrong_by: float) -> None:
    """A machine that started in 1970 for a minute kept everything for decades."""
    world = World()
    world.pass_time(20)
    world.wall += wrong_by
    world.pass_time(60)
    world.wall += 50 * YEAR_SECONDS
    began = world.turn()
    assert began.calendar < world.wall - 49 * YEAR_SECONDS
    for _ in range(29):
        world.relays = [None, None]  # it counts through restarts
        for _ in range(2):
            world.wait(12 * 3600)
            last = world.turn()
    assert last.calendar <= began.calendar + CALENDAR_PACE * 29 * 24 * 3600.0 + 29 * 24 * 3600.0
    world.turn(1)
    world.wait(LONGEST_LAG_SECONDS)
    assert world.turn(1).calendar == pytest.approx(world.wall)


def test_lag_of_an_hour_does_not_count_for_a_later_one() -> None:
    world = World(relay_count=1)
    world.turn()
    for _ in range(3):
        world.wall += 3600
        assert world.turn().calendar < world.wall - 3500
        for _ in range(30):
            world.wait(24 * 3600.0)
            reading = world.turn()
        assert reading.calendar == pytest.approx(reading.wall)
    world.wall += YEAR_SECONDS
    assert world.turn().calendar < world.wall - 0.9 * YEAR_SECONDS


def test_calendar_is_no_faster_where_turns_follow_each_other_closely() -> None:
    """Each turn added a second: under load, what is kept for thirty days was kept for four."""
    world = World(relay_count=1)
    world.turn()
    world.wall += YEAR_SECONDS
    first = world.turn()
    for _ in range(500):
        world.wait(0.02)
        last = world.turn()
    assert last.calendar - first.calendar <= CALENDAR_PACE * 10 + 0.001
