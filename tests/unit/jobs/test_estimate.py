"""How long a job still takes: never negative, by all of its steps, and right in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.estimate import (
    estimate_seconds_left,
    round_seconds_left,
    settle_seconds_left,
    show_seconds_left,
)
from cinemill.storage.jobs.job_clock.pace import StepWork
from cinemill.storage.jobs.job_clock.readings import ClockReading

SECONDS = st.floats(0, 1e6)


def make_step(number: int, **changes: object) -> StepWork:
    step = StepWork(f"step-{number}", "encode_chunk", 20.0, 0.0, False, False, 0.0, ())
    return replace(step, **changes)  # type: ignore[arg-type]


def done(number: int, seconds: float, **changes: object) -> StepWork:
    return make_step(number, fraction=1.0, is_done=True, seconds=seconds, **changes)


def running(number: int, fraction: float, seconds: float, **changes: object) -> StepWork:
    return make_step(number, fraction=fraction, is_running=True, seconds=seconds, **changes)


@st.composite
def plans(draw: st.DrawFn) -> list[StepWork]:
    """Any job: steps of any state, each after some of those before it."""
    steps: list[StepWork] = []
    for number in range(draw(st.integers(1, 12))):
        state = draw(st.sampled_from(["done", "running", "waiting"]))
        after = draw(st.lists(st.integers(0, max(0, number - 1)), max_size=3)) if number else []
        steps.append(
            StepWork(
                id=f"step-{number}",
                kind=draw(st.sampled_from(["a", "b", "c"])),
                weight=draw(st.floats(0, 100)),
                fraction=1.0 if state == "done" else draw(st.floats(0, 1)),
                is_done=state == "done",
                is_running=state == "running",
                seconds=0.0 if state == "waiting" else draw(SECONDS),
                after=tuple(f"step-{parent}" for parent in after),
            )
        )
    return steps


USUAL = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0, 1e5))


@given(plans(), USUAL)
def test_estimate_is_never_negative(steps: Sequence[StepWork], usual: dict[str, float]) -> None:
    left = estimate_seconds_left(steps, usual, own_id="step-0")
    assert left is None or 0 <= left < float("inf")


@given(plans(), USUAL)
def test_job_of_which_everything_is_done_takes_no_more(
    steps: Sequence[StepWork], usual: dict[str, float]
) -> None:
    over = [replace(step, is_done=True, is_running=False, fraction=1.0) for step in steps]
    assert estimate_seconds_left(over, usual) == 0


@given(st.floats(1.0, 1e5), st.floats(0.02, 1.0))
def test_one_steady_step_is_estimated_exactly(whole: float, fraction: float) -> None:
    steps = [running(1, fraction, max(1.0, whole * fraction))]
    whole = steps[0].seconds / fraction
    left = estimate_seconds_left(steps, {}, own_id="step-1")
    assert left == pytest.approx(whole * (1 - fraction), abs=1e-6)


@given(st.integers(1, 8), st.integers(1, 40), st.floats(2.0, 600.0))
def test_estimate_of_equal_chunks_converges(workers: int, chunks: int, each: float) -> None:
    """On any number of workers, once the first chunks have measured their pace."""
    rounds = -(-chunks // workers)
    for past in range(rounds):
        first = past * workers
        steps = [done(n, each) for n in range(first)]
        at_work = range(first, min(chunks, first + workers))
        steps += [running(n, 0.5, each / 2, id=f"step-{n}") for n in at_work]
        steps += [make_step(n) for n in range(at_work.stop, chunks)]
        left = estimate_seconds_left(steps, {}, own_id=f"step-{first}")
        if each / 2 < 4:
            continue  # the others' progress is of a moment ago, which counts in so short a time
        # On the last round fewer run than there are workers.
        truth = each / 2 + each * (rounds - past - 1)
        assert left == pytest.approx(truth, rel=0.5)


def test_each_chunk_counts_all_of_them() -> None:
    """The seconds that one chunk still takes are not those of the film."""
    steps = [done(n, 10) for n in range(4)]
    steps += [running(n, 0.5, 5) for n in (4, 5)]
    steps += [make_step(n) for n in range(6, 20)]
    steps += [make_step(20, kind="join_chunks", weight=4.0, after=("step-19",))]
    left = estimate_seconds_left(steps, {}, own_id="step-4")
    assert left == pytest.approx(5 + 7 * 10 + 2, abs=6)


def test_what_similar_jobs_took_counts_where_nothing_was_measured() -> None:
    steps = [running(1, 0.5, 10), make_step(2, kind="join", weight=1.0, after=("step-1",))]
    usual = {"encode_chunk": 20.0, "join": 30.0}
    assert estimate_seconds_left(steps, usual, own_id="step-1") == pytest.approx(40)
    slower = [replace(steps[0], seconds=20.0), steps[1]]
    left = estimate_seconds_left(slower, usual, own_id="step-1")
    assert left == pytest.approx(20 + 30 * 2, rel=0.1)


def test_job_of_which_most_is_guessed_states_no_time() -> None:
    steps = [done(1, 0.2, kind="probe", weight=2.0), make_step(2, weight=93.0)]
    assert estimate_seconds_left(steps, {}) is None
    assert estimate_seconds_left([running(1, 0.001, 30.0)], {}) is None


def test_step_that_waits_for_all_chunks_begins_after_the_slowest() -> None:
    steps = [
        running(1, 0.5, 100),
        running(2, 0.9, 90),
        make_step(3, kind="join", weight=1.0, after=("step-1", "step-2")),
    ]
    left = estimate_seconds_left(steps, {"join": 5.0}, own_id="step-1")
    assert left == pytest.approx(105, abs=5)


@given(st.floats(0, 1e6))
def test_time_left_is_shown_rounded_and_never_as_nothing(seconds: float) -> None:
    shown = round_seconds_left(seconds)
    assert shown >= 1
    assert shown == int(shown)
    assert abs(shown - seconds) <= max(1.0, 0.5 * seconds / 2)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, 1), (7.4, 7), (34.0, 35), (61.0, 60), (740.0, 720), (5000.0, 5100)],
)
def test_time_left_is_shown_no_more_exactly_than_it_is_known(seconds: float, shown: float) -> None:
    assert round_seconds_left(seconds) == shown


def test_job_that_should_have_ended_a_while_ago_states_no_time() -> None:
    assert show_seconds_left(-1.0) == 1
    assert show_seconds_left(-20.0) is None


@given(st.floats(0.1, 1e5), st.floats(0, 1e5))
def test_stated_time_lies_between_the_one_before_and_the_new_estimate(
    before: float, estimated: float
) -> None:
    stated = settle_seconds_left(before, estimated)
    assert stated is not None
    assert min(before, estimated) <= stated <= max(before, estimated)


@given(st.floats(0.1, 1e5), st.floats(1, 1e5))
def test_stated_time_converges_to_a_steady_estimate(before: float, estimated: float) -> None:
    stated: float | None = before
    for _ in range(40):
        stated = settle_seconds_left(stated, estimated)
    assert stated == pytest.approx(estimated, rel=0.12, abs=1.6)


def test_small_change_leaves_the_statement_running_down() -> None:
    assert settle_seconds_left(100.0, 104.0) == 100.0
    assert settle_seconds_left(None, 30.0) == 30.0
    assert settle_seconds_left(30.0, None) == 30.0


@given(
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0, 1),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_percentage_of_a_reading_never_falls(
    progress: float, share: float, fraction: float, fractions: list[float]
) -> None:
    reading = ClockReading(progress, min(share, 100 - progress), fraction)
    shown = [reading.at(one) for one in sorted(fractions)]
    assert shown == sorted(shown)
    assert all(progress <= one <= 100 for one in shown)


def test_chunks_that_were_found_again_do_not_count_as_quick_ones() -> None:
    steps = [done(n, 0.02) for n in range(8)]
    steps += [done(8, 10), running(9, 0.5, 5), *(make_step(n) for n in range(10, 14))]
    left = estimate_seconds_left(steps, {}, own_id="step-9")
    assert left == pytest.approx(5 + 4 * 10, abs=2)


def test_step_that_overran_what_was_expected_states_no_time() -> None:
    usual = {"encode_chunk": 60.0}
    left = estimate_seconds_left([running(1, 0.0, 50)], usual, own_id="step-1")
    assert left == pytest.approx(10)
    assert estimate_seconds_left([running(1, 0.0, 70)], usual, own_id="step-1") is None
