"""How long it still takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.job import ClaimedRun
from cinemill.jobs.estimate import estimate_job_seconds_left, estimate_seconds_left


def test_estimate_of_a_quarter_done_in_ten_seconds_is_thirty() -> None:
    assert estimate_seconds_left(10, 0.25) == 30


def test_estimate_at_the_very_beginning_is_unknown() -> None:
    assert estimate_seconds_left(5, 0.0) is None
    assert estimate_seconds_left(5, 0.009) is None


@given(st.floats(0, 1e6), st.floats(0.01, 1.5))
def test_estimate_is_never_negative(elapsed: float, fraction: float) -> None:
    left = estimate_seconds_left(elapsed, fraction)
    assert left is not None
    assert left >= 0


@given(st.floats(0.1, 1e6), st.floats(0.01, 1), st.floats(0.01, 1))
def test_estimate_is_lower_for_more_progress_in_the_same_time(
    elapsed: float, one: float, other: float
) -> None:
    behind, ahead = sorted((one, other))
    left_behind = estimate_seconds_left(elapsed, behind)
    left_ahead = estimate_seconds_left(elapsed, ahead)
    assert left_behind is not None
    assert left_ahead is not None
    assert left_ahead <= left_behind * (1 + 1e-9)


def test_estimate_of_completed_work_is_zero() -> None:
    assert estimate_seconds_left(10, 1.0) == pytest.approx(0)


def claim(base: float, share: float, job_seconds: float) -> ClaimedRun:
    return ClaimedRun(
        *("run", "token", "job", "transcode", "step", "chunk-1", "encode_chunk"),
        *("ann", None, 1, {}, {}, {}),
        progress_base=base,
        progress_share=share,
        job_seconds=job_seconds,
    )


def test_estimate_during_the_last_large_step_uses_that_step() -> None:
    assert estimate_job_seconds_left(claim(7, 93, 100), 10, 0.25) == 30


def test_estimate_during_one_of_many_chunks_uses_the_whole_job() -> None:
    """Half an hour for a quarter of the film: not the seconds that the chunk still takes."""
    left = estimate_job_seconds_left(claim(24, 2, 1790), 10, 0.5)
    assert left == pytest.approx(3 * 1800)
