"""When to try again: later each time, spread out, and never later than an hour and a bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.retries import (
    LONGEST_CRASH_DELAY_SECONDS,
    LONGEST_DELAY_SECONDS,
    plan_crash_delay,
    plan_retry_delay,
)

tries = st.integers(1, 10_000)
jitters = st.floats(0, 1, exclude_max=True)
bases = st.floats(0.001, 3600)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (7, 3600)])
def test_delay_of_sixty_seconds_doubles_up_to_an_hour(failures: int, seconds: float) -> None:
    assert plan_retry_delay(failures, 60, jitter=0.5) == seconds


@given(tries, bases, jitters)
def test_jitter_spreads_a_delay_over_a_quarter_either_way(
    failures: int, base: float, jitter: float
) -> None:
    middle = plan_retry_delay(failures, base, 0.5)
    assert 0.75 * middle <= plan_retry_delay(failures, base, jitter) <= 1.25 * middle


@given(tries, bases, jitters)
def test_no_delay_is_longer_than_an_hour_and_a_quarter(
    failures: int, base: float, jitter: float
) -> None:
    assert 0 < plan_retry_delay(failures, base, jitter) <= 1.25 * LONGEST_DELAY_SECONDS


@given(tries, bases, jitters)
def test_another_failure_never_shortens_the_delay(
    failures: int, base: float, jitter: float
) -> None:
    following = plan_retry_delay(failures + 1, base, jitter)
    assert following >= plan_retry_delay(failures, base, jitter)


@given(tries)
def test_crash_is_retried_within_a_minute(crashes: int) -> None:
    delay = plan_crash_delay(crashes)
    assert 1 <= delay <= LONGEST_CRASH_DELAY_SECONDS
    assert delay <= plan_crash_delay(crashes + 1)


def test_first_crash_costs_a_second() -> None:
    assert plan_crash_delay(1) == 1
