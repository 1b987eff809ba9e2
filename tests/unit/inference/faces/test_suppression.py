"""Overlapping boxes: the best of each group remains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.faces.suppression import Boxes, measure_overlaps, suppress_overlaps

corners = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40))


def to_boxes(values: list[tuple[int, int, int, int]]) -> Boxes:
    rows = [(x, y, x + width, y + height) for x, y, width, height in values]
    return np.array(rows, np.float32).reshape(-1, 4)


def test_overlap_is_intersection_over_union() -> None:
    boxes = to_boxes([(0, 0, 10, 10), (5, 0, 10, 10), (20, 20, 5, 5)])
    assert measure_overlaps(boxes[0], boxes).tolist() == pytest.approx([1.0, 1 / 3, 0.0])


def test_best_of_overlapping_boxes_is_kept() -> None:
    boxes = to_boxes([(0, 0, 10, 10), (1, 1, 10, 10), (30, 30, 10, 10)])
    assert suppress_overlaps(boxes, np.array([0.6, 0.9, 0.7], np.float32), 0.3) == [1, 2]


@given(st.lists(corners, max_size=12))
def test_kept_boxes_overlap_little_and_dropped_ones_much(
    values: list[tuple[int, int, int, int]],
) -> None:
    boxes, scores = to_boxes(values), np.linspace(1, 0.5, len(values), dtype=np.float32)
    kept = suppress_overlaps(boxes, scores, 0.3)
    for place, at in enumerate(kept):
        assert (measure_overlaps(boxes[at], boxes[kept[place + 1 :]]) <= 0.3).all()
    for dropped in set(range(len(values))) - set(kept):
        better = [at for at in kept if at < dropped]
        assert (measure_overlaps(boxes[dropped], boxes[better]) > 0.3).any()


def test_box_without_area_overlaps_nothing() -> None:
    boxes = np.zeros((2, 4), np.float32)
    assert suppress_overlaps(boxes, np.array([0.9, 0.8], np.float32), 0.3) == [0, 1]
