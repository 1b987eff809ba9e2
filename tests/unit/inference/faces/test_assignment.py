"""Pairs of two groups: the cheapest, compared with all possible ones."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.faces.assignment import Costs, assign_pairs

LIMIT = 1.0


@st.composite
def cost_matrices(draw: st.DrawFn) -> Costs:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    costs = st.integers(0, 150).map(lambda percent: percent / 100)
    values = draw(st.lists(costs, min_size=rows * columns, max_size=rows * columns))
    return np.array(values).reshape(rows, columns)


def least_total(costs: Costs) -> float:
    """Return the least total of all pairings; a row without a pair costs LIMIT."""
    rows, columns = costs.shape
    choices = [*range(columns), *[None] * rows]
    totals = (
        sum(LIMIT if column is None else costs[row, column] for row, column in enumerate(chosen))
        for chosen in set(permutations(choices, rows))
    )
    return float(min(totals))


@given(cost_matrices())
def test_assignment_has_the_least_total_cost(costs: Costs) -> None:
    pairs = assign_pairs(costs, limit=LIMIT)
    alone = costs.shape[0] - len(pairs)
    total = sum(costs[pair] for pair in pairs) + alone * LIMIT
    assert total == pytest.approx(least_total(costs))


@given(cost_matrices())
def test_assignment_pairs_each_member_once_and_below_the_limit(costs: Costs) -> None:
    pairs = assign_pairs(costs, limit=LIMIT)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(costs[pair] < LIMIT for pair in pairs)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (3, 0)])
def test_assignment_of_an_empty_group_has_no_pairs(rows: int, columns: int) -> None:
    assert assign_pairs(np.zeros((rows, columns)), limit=LIMIT) == []


def test_assignment_of_a_hundred_members_finds_the_shifted_order() -> None:
    costs = np.full((100, 100), 0.9)
    for row, column in product(range(100), range(100)):
        if column == (row + 7) % 100:
            costs[row, column] = 0.1
    assert assign_pairs(costs, limit=LIMIT) == [(row, (row + 7) % 100) for row in range(100)]
