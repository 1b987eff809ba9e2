"""Boxes from a detector's outputs, by outputs whose boxes are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cinemill.core.findings.finding import PictureBox
from cinemill.inference.models.analysis.objects import (
    BINS,
    CLASS_COUNT,
    NANODET,
    SIDE_PX,
    STRIDES_PX,
    count_cells,
)
from cinemill.inference.objects.detector import LEAST_SCORE, MOST_OBJECTS, read_objects
from cinemill.inference.objects.labels import COCO_LABELS

PERSON, DOG = COCO_LABELS.index("person"), COCO_LABELS.index("dog")


class Outputs:
    """What the model returns for one picture, filled in cell by cell."""

    def __init__(self) -> None:
        self.scores = [np.zeros((count_cells(s), CLASS_COUNT), np.float32) for s in STRIDES_PX]
        self.bins = [np.zeros((count_cells(s), 4, BINS), np.float32) for s in STRIDES_PX]

    def put(
        self, grid: int, row: int, column: int, kind: int, score: float, edges: tuple[int, ...]
    ) -> None:
        """Put a thing at a cell; ``edges`` are distances in cells: left, top, right, bottom."""
        cell = row * (SIDE_PX // STRIDES_PX[grid]) + column
        self.scores[grid][cell, kind] = score
        for edge, distance in enumerate(edges):
            self.bins[grid][cell, edge] = -50
            self.bins[grid][cell, edge, distance] = 50

    @property
    def rows(self) -> dict[str, NDArray[np.float32]]:
        values = [*self.scores, *self.bins]
        names = [output.name for output in NANODET.outputs]
        return {name: one.reshape(1, -1) for name, one in zip(names, values, strict=True)}


def approx(box: PictureBox) -> object:
    return pytest.approx((box.left, box.top, box.width, box.height), abs=1e-5)


def test_card_states_what_the_outputs_hold() -> None:
    rows = Outputs().rows
    assert {name: values.size for name, values in rows.items()} == {
        output.name: output.dimension for output in NANODET.outputs
    }
    assert len(COCO_LABELS) == len(set(COCO_LABELS)) == CLASS_COUNT


@pytest.mark.parametrize("grid", [0, 1, 2])
def test_box_is_where_the_cell_and_its_distances_say(grid: int) -> None:
    outputs, stride = Outputs(), STRIDES_PX[grid]
    outputs.put(grid, 4, 6, DOG, 0.9, (2, 1, 3, 4))
    (found,) = read_objects(outputs.rows, 0)
    left, top = (6.5 - 2) * stride / SIDE_PX, (4.5 - 1) * stride / SIDE_PX
    assert (found.label, round(found.confidence, 3)) == ("dog", 0.9)
    expected = PictureBox(left, top, 5 * stride / SIDE_PX, 5 * stride / SIDE_PX)
    box = found.box
    assert (box.left, box.top, box.width, box.height) == approx(expected)


def test_distance_is_the_mean_of_weighed_ones() -> None:
    outputs = Outputs()
    outputs.put(0, 10, 10, PERSON, 0.8, (2, 2, 2, 2))
    outputs.bins[0][10 * 52 + 10, 2, 4] = 50  # right: as likely 4 as 2
    (found,) = read_objects(outputs.rows, 0)
    assert found.box.width == pytest.approx(5 * 8 / SIDE_PX)


def test_thing_below_the_threshold_is_not_there() -> None:
    outputs = Outputs()
    outputs.put(0, 5, 5, PERSON, LEAST_SCORE - 0.01, (2, 2, 2, 2))
    assert read_objects(outputs.rows, 0) == ()
    assert LEAST_SCORE >= 0.55


def test_overlapping_boxes_of_a_kind_are_one_thing() -> None:
    outputs = Outputs()
    outputs.put(1, 5, 5, PERSON, 0.7, (3, 3, 3, 3))
    outputs.put(1, 5, 6, PERSON, 0.9, (3, 3, 3, 3))
    outputs.put(1, 5, 7, DOG, 0.6, (3, 3, 3, 3))
    found = read_objects(outputs.rows, 0)
    assert [(one.label, round(one.confidence, 2)) for one in found] == [
        ("person", 0.9),
        ("dog", 0.6),
    ]


def test_box_lies_within_the_picture() -> None:
    outputs = Outputs()
    outputs.put(2, 0, 12, PERSON, 0.9, (3, 10, 10, 2))
    (found,) = read_objects(outputs.rows, 0)
    assert found.box.top == 0
    assert found.box.left + found.box.width == pytest.approx(1)


def test_thing_without_area_is_not_there() -> None:
    outputs = Outputs()
    outputs.put(0, 5, 5, PERSON, 0.9, (0, 0, 0, 0))
    assert read_objects(outputs.rows, 0) == ()


def test_number_of_things_is_bounded() -> None:
    outputs = Outputs()
    for row in range(0, 52, 2):
        for column in range(0, 52, 2):
            outputs.put(0, row, column, PERSON, 0.9, (1, 1, 0, 0))
    assert len(read_objects(outputs.rows, 0)) == MOST_OBJECTS
