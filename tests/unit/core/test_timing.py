"""Time is exact inside, whole milliseconds at rest, and ranges are half-open."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.timing import (
    TimeRange,
    format_clock,
    from_milliseconds,
    from_pts,
    to_milliseconds,
)

seconds = st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=90000)
milliseconds = st.integers(min_value=-(10**12), max_value=10**12)


@st.composite
def time_ranges(draw: st.DrawFn) -> TimeRange:
    first, second = sorted((draw(seconds), draw(seconds)))
    return TimeRange(first, second)


@given(milliseconds)
def test_milliseconds_survive_the_way_there_and_back(value: int) -> None:
    assert to_milliseconds(from_milliseconds(value)) == value


@given(seconds)
def test_rounding_is_never_off_by_more_than_half_a_millisecond(moment: Fraction) -> None:
    assert abs(from_milliseconds(to_milliseconds(moment)) - moment) <= Fraction(1, 2000)


@given(seconds)
def test_rounding_is_symmetric_around_zero(moment: Fraction) -> None:
    assert to_milliseconds(-moment) == -to_milliseconds(moment)


def test_halves_round_away_from_zero() -> None:
    assert to_milliseconds(Fraction(1, 2000)) == 1
    assert to_milliseconds(Fraction(-1, 2000)) == -1


@given(st.integers(0, 10**9), st.sampled_from([Fraction(1, 90000), Fraction(1001, 30000)]))
def test_timestamps_become_seconds_without_loss(pts: int, time_base: Fraction) -> None:
    assert from_pts(pts, time_base) / time_base == pts


def test_range_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        TimeRange(Fraction(2), Fraction(1))


@given(time_ranges())
def test_start_belongs_to_a_range_and_the_end_does_not(span: TimeRange) -> None:
    assert span.contains(span.start) == (span.duration > 0)
    assert not span.contains(span.end)


@given(time_ranges(), time_ranges())
def test_overlap_is_mutual_and_is_what_an_intersection_needs(a: TimeRange, b: TimeRange) -> None:
    assert a.overlaps(b) == b.overlaps(a)
    common = a.intersection(b)
    assert common == b.intersection(a)
    assert (common is not None) == a.overlaps(b)


@given(time_ranges(), time_ranges(), seconds)
def test_moment_is_in_the_intersection_if_it_is_in_both(
    a: TimeRange, b: TimeRange, moment: Fraction
) -> None:
    common = a.intersection(b)
    in_common = common is not None and common.contains(moment)
    assert in_common == (a.contains(moment) and b.contains(moment))


@given(seconds, seconds, seconds)
def test_neighbours_share_no_moment(x: Fraction, y: Fraction, z: Fraction) -> None:
    first, middle, last = sorted((x, y, z))
    assert not TimeRange(first, middle).overlaps(TimeRange(middle, last))


@given(st.integers(0, 10**10))
def test_clock_reads_as_webvtt_wants_it(value: int) -> None:
    clock = format_clock(value)
    match = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})", clock)
    assert match is not None
    hours, minutes, whole, thousandths = map(int, match.groups())
    assert ((hours * 60 + minutes) * 60 + whole) * 1000 + thousandths == value


def test_clock_before_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_clock(-1)
