"""Tiles of large pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.tiles import (
    BORDER_PX,
    LONGEST_SIDE_PX,
    OVERLAP_PX,
    may_be_cut,
    place_tiles,
)


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
@settings(max_examples=60)
def test_small_square_anywhere_lies_whole_in_a_tile(
    height: int, width: int, data: st.DataObject
) -> None:
    tiles = list(place_tiles(height, width))
    side = min(OVERLAP_PX, height, width)
    top = data.draw(st.integers(0, height - side))
    left = data.draw(st.integers(0, width - side))
    assert any(
        rows.start <= top
        and top + side <= rows.stop
        and columns.start <= left
        and left + side <= columns.stop
        for rows, columns in tiles
    )
    for rows, columns in tiles:
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        assert max(rows.stop - rows.start, columns.stop - columns.start) <= LONGEST_SIDE_PX


def test_picture_of_full_hd_takes_fifteen_tiles_and_a_small_one_a_single_one() -> None:
    assert len(list(place_tiles(1080, 1920))) == 15
    assert list(place_tiles(360, 512)) == [(slice(0, 360), slice(0, 512))]
    whole = np.zeros((540, 960), np.bool_)
    for tile in place_tiles(540, 960):
        whole[tile] = True
    assert whole.all()


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
@settings(max_examples=60)
def test_small_square_anywhere_lies_off_the_borders_of_a_tile(
    height: int, width: int, data: st.DataObject
) -> None:
    side = min(OVERLAP_PX - 2 * BORDER_PX, height, width)
    top = data.draw(st.integers(0, height - side))
    left = data.draw(st.integers(0, width - side))
    assert any(
        not may_be_cut(
            FaceBox(left - columns.start, top - rows.start, side, side, 0.9),
            (rows, columns),
            height,
            width,
        )
        for rows, columns in place_tiles(height, width)
        if rows.start <= top < rows.stop and columns.start <= left < columns.stop
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (FaceBox(492, 100, 20, 20, 0.9), True),  # at the right border, where another tile begins
        (FaceBox(100, 300, 20, 20, 0.9), True),  # at the bottom
        (FaceBox(0, 0, 20, 20, 0.9), False),  # in the corner of the picture
        (FaceBox(200, 100, 20, 20, 0.9), False),
    ],
)
def test_only_borders_between_tiles_cut_a_box(box: FaceBox, expected: bool) -> None:
    first = (slice(0, 320), slice(0, 512))
    assert may_be_cut(box, first, 540, 960) is expected
