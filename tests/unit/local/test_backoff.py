"""Backoff of restarts: short delays first, then longer ones, spread by jitter."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cinemill.local.supervisor.backoff import Backoff

BACKOFF = Backoff(first_seconds=0.5, factor=2, longest_seconds=10, jitter=0.2, stable_seconds=30)


@given(failures=st.integers(1, 10**9), seed=st.integers())
def test_backoff_delays_stay_within_their_bounds(failures: int, seed: int) -> None:
    delay = BACKOFF.plan_delay(failures, Random(seed))
    assert 0.5 * 0.8 <= delay <= 10 * 1.2


@given(failures=st.integers(1, 100))
def test_backoff_delays_grow_up_to_the_maximum(failures: int) -> None:
    steady = Backoff(first_seconds=0.5, longest_seconds=10, jitter=0)
    delays = [steady.plan_delay(count, Random(0)) for count in (failures, failures + 1)]
    assert delays[1] == min(2 * delays[0], 10)


def test_backoff_jitter_spreads_simultaneous_restarts() -> None:
    random = Random(7)
    assert len({BACKOFF.plan_delay(3, random) for _ in range(20)}) == 20


def test_backoff_stable_run_resets_the_failure_count() -> None:
    assert BACKOFF.count_failures(9, ran_seconds=29.9) == 10
    assert BACKOFF.count_failures(9, ran_seconds=30.0) == 1


def test_crash_loop_needs_consecutive_failures() -> None:
    assert not BACKOFF.is_crash_loop(4)
    assert BACKOFF.is_crash_loop(5)
