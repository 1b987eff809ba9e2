"""Conformal p-values: the guarantee is checked exactly, by leaving each group out in turn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cinemill.core.statistics.conformal import (
    GroupScores,
    group_scores,
    is_rejected,
)

pytestmark = pytest.mark.property

# Few values, so that there are ties.
SCORES = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6, allow_nan=False, width=32))
GROUPS = st.lists(st.lists(SCORES, min_size=1, max_size=5), min_size=2, max_size=25)
RATES = st.floats(0.01, 0.5)


def gather(groups: list[list[float]]) -> GroupScores:
    scores = [score for group in groups for score in group]
    return group_scores(scores, [at for at, group in enumerate(groups) for _ in group])


@given(GROUPS, RATES)
def test_rejections_of_exchangeable_groups_are_at_most_the_rate(
    groups: list[list[float]], rate: float
) -> None:
    # Exchangeable: any of the groups may be the new one, and any of its scores the new score.
    rejected = 0.0
    for at, group in enumerate(groups):
        others = gather(groups[:at] + groups[at + 1 :])
        hits = sum(is_rejected(others.p_value_of_high(score), rate) for score in group)
        rejected += hits / len(group)
    assert rejected / len(groups) <= rate + 1e-6


@given(GROUPS, RATES)
def test_rejections_of_low_scores_mirror_those_of_high_scores(
    groups: list[list[float]], rate: float
) -> None:
    known = gather(groups)
    mirrored = known.negated()
    for score in known.scores:
        assert known.p_value_of_low(score) == pytest.approx(mirrored.p_value_of_high(-score))
    assert known.find_lower_limit(rate) == -mirrored.find_upper_limit(rate)


@given(GROUPS, SCORES, SCORES)
def test_p_value_falls_as_scores_rise(groups: list[list[float]], one: float, other: float) -> None:
    known = gather(groups)
    low, high = sorted((one, other))
    assert known.p_value_of_high(high) <= known.p_value_of_high(low) + 1e-12
    assert known.least_p_value - 1e-12 <= known.p_value_of_high(high) <= 1


@given(GROUPS, RATES, SCORES)
def test_limit_agrees_with_p_values(groups: list[list[float]], rate: float, score: float) -> None:
    known = gather(groups)
    assert (score > known.find_upper_limit(rate)) == is_rejected(known.p_value_of_high(score), rate)
    assert (score < known.find_lower_limit(rate)) == is_rejected(known.p_value_of_low(score), rate)


@given(GROUPS, st.randoms())
def test_order_of_scores_does_not_matter(groups: list[list[float]], random: object) -> None:
    pairs = [(score, at) for at, group in enumerate(groups) for score in group]
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = group_scores([s for s, _ in pairs], [g for _, g in pairs])
    other = group_scores([s for s, _ in shuffled], [g for _, g in shuffled])
    for score in one.scores:
        assert one.p_value_of_high(score) == pytest.approx(other.p_value_of_high(score))


def test_limit_is_the_exact_finite_sample_quantile() -> None:
    # The 96th of 99 scores: ceil((99 + 1) × 0.95) = 95 may lie at or below it.
    known = gather([[float(number)] for number in range(1, 100)])
    assert known.find_upper_limit(0.05) == 95
    assert known.p_value_of_high(95.5) == pytest.approx(0.05)
    assert known.p_value_of_high(95) == pytest.approx(0.06)


@pytest.mark.parametrize(("groups", "can_reject"), [(18, False), (19, True)])
def test_five_percent_takes_19_groups(groups: int, can_reject: bool) -> None:
    known = gather([[0.0]] * groups)
    assert math.isfinite(known.find_upper_limit(0.05)) is can_reject
    assert is_rejected(known.p_value_of_high(1.0), 0.05) is can_reject


def test_many_scores_of_one_group_weigh_as_much_as_one() -> None:
    known = gather([[5.0] * 1000, *[[0.0]] * 19])
    assert known.groups == 20
    assert known.p_value_of_high(1.0) == pytest.approx(2 / 21)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        group_scores([score], ["a"])


@pytest.mark.parametrize(
    ("scores", "weights", "groups"),
    [
        ((2.0, 1.0), (1.0, 1.0), 2),
        ((1.0,), (1.0, 1.0), 2),
        ((1.0, 2.0), (1.0, 1.0), 3),
        ((1.0, 2.0), (1.5, 0.5), 2),
        ((1.0, 2.0), (0.0, 1.0), 1),
        ((1.0, math.inf), (1.0, 1.0), 2),
    ],
)
def test_inconsistent_calibration_scores_are_refused(
    scores: tuple[float, ...], weights: tuple[float, ...], groups: int
) -> None:
    with pytest.raises(ValidationError):
        GroupScores(scores=scores, weights=weights, groups=groups)
