"""Ranking figures, against slow references that follow the definitions."""

from __future__ import annotations

import itertools
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.evaluation.ranking import (
    UnmeasurableScores,
    measure_ranking,
    roc_auc,
    tabulate_scores,
    tpr_at_fpr,
)

Case = tuple[list[bool], list[float]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Labels and scores with both classes and many ties."""
    size = draw(st.integers(2, 30))
    labels = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    labels[0], labels[1] = True, False
    scores = draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
    return labels, [float(one) for one in scores]


def slow_auc(labels: list[bool], scores: list[float]) -> float:
    pairs = [
        1.0 if fake > real else 0.5 if fake == real else 0.0
        for fake, real in itertools.product(
            [s for s, y in zip(scores, labels, strict=True) if y],
            [s for s, y in zip(scores, labels, strict=True) if not y],
        )
    ]
    return sum(pairs) / len(pairs)


def slow_rates(labels: list[bool], scores: list[float]) -> list[tuple[float, float, float]]:
    """False positive rate, true positive rate and precision at each threshold, downwards."""
    rates = []
    for threshold in sorted(set(scores), reverse=True):
        flagged = [y for s, y in zip(scores, labels, strict=True) if s >= threshold]
        true, false = sum(flagged), len(flagged) - sum(flagged)
        rates.append((false / (len(labels) - sum(labels)), true / sum(labels), true / len(flagged)))
    return rates


def slow_eer(labels: list[bool], scores: list[float]) -> float:
    before = (0.0, 1.0)
    for fpr, tpr, _ in slow_rates(labels, scores):
        after = (fpr, 1 - tpr)
        if after[0] >= after[1]:
            # Where the line from one point to the next meets the diagonal.
            rise, fall = after[0] - before[0], after[1] - before[1]
            share = (before[1] - before[0]) / (rise - fall)
            return before[0] + share * rise
        before = after
    raise AssertionError("the last threshold flags everything")


@given(cases())
def test_auc_is_the_share_of_pairs_in_the_right_order(case: Case) -> None:
    assert roc_auc(*case) == pytest.approx(slow_auc(*case))


@given(cases())
def test_average_precision_sums_precision_over_steps_of_recall(case: Case) -> None:
    recall, expected = 0.0, 0.0
    for _, tpr, precision in slow_rates(*case):
        expected += (tpr - recall) * precision
        recall = tpr
    assert measure_ranking(tabulate_scores(*case)).average_precision == pytest.approx(expected)


@given(cases())
def test_equal_error_rate_is_where_both_errors_meet(case: Case) -> None:
    measured = measure_ranking(tabulate_scores(*case)).equal_error_rate
    assert measured == pytest.approx(slow_eer(*case))


@given(cases(), st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.5, 1.0]))
def test_tpr_at_fpr_never_flags_more_reals_than_allowed(case: Case, fpr: float) -> None:
    expected = max((tpr for false, tpr, _ in slow_rates(*case) if false <= fpr), default=0.0)
    assert tpr_at_fpr(*case, fpr) == pytest.approx(expected)


@given(cases(), st.data())
def test_figures_with_weights_are_those_of_repeated_rows(case: Case, data: st.DataObject) -> None:
    labels, scores = case
    weights = data.draw(
        st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels)), "weights"
    )
    weights[0], weights[1] = max(1, weights[0]), max(1, weights[1])
    rows = [n for n, weight in enumerate(weights) for _ in range(weight)]
    repeated = tabulate_scores([labels[n] for n in rows], [scores[n] for n in rows])
    weighted = measure_ranking(tabulate_scores(labels, scores), weights)
    assert astuple(weighted) == pytest.approx(astuple(measure_ranking(repeated)))


@given(cases(), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_of_rows(case: Case, random: object) -> None:
    labels, scores = case
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = tabulate_scores([labels[n] for n in order], [scores[n] for n in order])
    assert measure_ranking(mixed) == measure_ranking(tabulate_scores(labels, scores))


@given(cases())
def test_auc_of_negated_scores_is_the_opposite(case: Case) -> None:
    labels, scores = case
    assert roc_auc(labels, [-one for one in scores]) == pytest.approx(1 - roc_auc(labels, scores))


def test_perfect_and_useless_scores_have_the_known_figures() -> None:
    perfect = measure_ranking(tabulate_scores([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]))
    assert astuple(perfect) == (1.0, 1.0, 0.0, 1.0, 1.0)
    useless = measure_ranking(tabulate_scores([0, 1] * 50, [0.5] * 100))
    assert astuple(useless) == (0.5, 0.5, 0.5, 0.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([1, 1], [0.1, 0.2]), ([0], [0.1]), ([], []), ([0, 1], [0.1, np.nan]), ([0, 1], [0.1])],
)
def test_scores_without_both_classes_are_rejected(labels: list[int], scores: list[float]) -> None:
    with pytest.raises(UnmeasurableScores):
        measure_ranking(tabulate_scores(labels, scores))
