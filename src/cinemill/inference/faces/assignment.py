"""The cheapest way to pair the members of two groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]


def assign_pairs(costs: Costs, *, limit: float) -> list[tuple[int, int]]:
    """Return the pairs (row, column) with the least total cost, each row and column at most once.

    A pair that costs ``limit`` or more is never formed; a member without a pair costs ``limit``.
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return []
    # Each row can stay alone in a column of its own.
    alone = np.full((rows, rows), limit)
    chosen = _solve(np.hstack([np.minimum(costs, 2 * limit), alone]))
    return [
        (row, column)
        for row, column in enumerate(chosen)
        if column < columns and costs[row, column] < limit
    ]


def _solve(costs: Costs) -> list[int]:
    """Return the column of each row: the Hungarian method with potentials, in O(rows² · columns).

    There are at least as many columns as rows. Index 0 stands for "none" throughout.
    """
    rows, columns = costs.shape
    row_potential, column_potential = np.zeros(rows + 1), np.zeros(columns + 1)
    owner, previous = np.zeros(columns + 1, np.intp), np.zeros(columns + 1, np.intp)
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        slack, is_used = np.full(columns + 1, np.inf), np.zeros(columns + 1, bool)
        while True:
            is_used[column] = True
            reduced = np.empty(columns + 1)
            reduced[0] = np.inf
            reduced[1:] = costs[owner[column] - 1] - row_potential[owner[column]]
            reduced[1:] -= column_potential[1:]
            is_better = ~is_used & (reduced < slack)
            slack[is_better], previous[is_better] = reduced[is_better], column
            nearest = int(np.argmin(np.where(is_used, np.inf, slack)))
            step = slack[nearest]
            row_potential[owner[is_used]] += step
            column_potential[is_used] -= step
            slack[~is_used] -= step
            column = nearest
            if owner[column] == 0:
                break
        while column:
            owner[column] = owner[previous[column]]
            column = int(previous[column])
    chosen = [0] * rows
    for column in range(1, columns + 1):
        if owner[column]:
            chosen[owner[column] - 1] = column - 1
    return chosen
