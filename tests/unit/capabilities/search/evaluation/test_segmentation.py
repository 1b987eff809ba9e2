"""Figures of divisions, by hand."""

from __future__ import annotations

import pytest

from cinemill.capabilities.search.evaluation.metrics.segmentation import (
    list_boundaries,
    measure_f1,
    score_division,
)

TRUE = [0] * 4 + [1] * 4


def test_right_division_is_perfect() -> None:
    score = score_division(TRUE, [7] * 4 + [9] * 4)
    assert (score.pk, score.window_diff) == (0, 0)
    assert (score.found, score.claimed, score.true) == (1, 1, 1)
    assert measure_f1([score]) == 1


def test_no_division_misses_the_pairs_over_the_boundary() -> None:
    """Of six pairs that are two units apart, two lie over the boundary."""
    score = score_division(TRUE, [0] * 8)
    assert score.pk == score.window_diff == pytest.approx(2 / 6)
    assert measure_f1([score]) == 0


def test_boundary_that_is_off_by_one_is_found_with_a_tolerance() -> None:
    claimed = [0] * 5 + [1] * 3
    assert score_division(TRUE, claimed).found == 0
    assert score_division(TRUE, claimed, tolerance=1).found == 1
    assert score_division(TRUE, claimed).pk == pytest.approx(2 / 6)


def test_one_true_boundary_is_found_once() -> None:
    score = score_division(TRUE, [0, 0, 0, 1, 2, 3, 3, 3], tolerance=1)
    assert (score.found, score.claimed) == (1, 3)
    assert measure_f1([score]) == pytest.approx(0.5)


def test_boundaries_are_where_the_number_changes() -> None:
    assert list_boundaries([1, 1, 2, 1]) == [2, 3]
    assert list_boundaries([]) == []


def test_divisions_of_different_units_are_refused() -> None:
    with pytest.raises(ValueError, match="same units"):
        score_division([0], [])
