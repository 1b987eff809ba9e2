"""Turns of the relay: at once when it is quiet, and spaced in a storm of notifications."""

from __future__ import annotations

from cinemill.jobs.planning.turn_pace import TURNS_A_SECOND, TURNS_AT_ONCE, TurnPace


def count_turns(seconds: float, *, between_seconds: float) -> int:
    """Count turns of a relay that is woken as often as that, and whose turns take no time."""
    pace, now, turns = TurnPace(), 0.0, 0
    while now < seconds:
        now += pace.plan_turn(now)
        turns += 1
        now += between_seconds
    return turns


def test_single_turns_begin_at_once() -> None:
    pace = TurnPace()
    assert [pace.plan_turn(now / 10) for now in range(100)] == [0.0] * 100


def test_few_turns_follow_each_other_without_a_pause() -> None:
    pace = TurnPace()
    assert [pace.plan_turn(1.0) for _ in range(int(TURNS_AT_ONCE))] == [0.0] * int(TURNS_AT_ONCE)
    assert pace.plan_turn(1.0) > 0


def test_storm_of_notifications_is_answered_by_as_many_turns_as_fit() -> None:
    most = TURNS_AT_ONCE + 10 * TURNS_A_SECOND
    assert count_turns(10, between_seconds=0.0001) <= most + 1
    assert count_turns(10, between_seconds=0.0001) >= most * 0.9


def test_pace_recovers_after_a_storm() -> None:
    pace = TurnPace()
    for _ in range(200):
        pace.plan_turn(1.0)
    assert pace.plan_turn(100.0) == 0.0
