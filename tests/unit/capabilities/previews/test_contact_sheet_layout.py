"""The grid of a contact sheet, and its labels."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.previews.contact_sheet_layout import (
    LONGEST_SIDE_PIXELS,
    TILE_HEIGHT,
    arrange_sheet,
    format_timestamp,
    sheet_labels,
)

SIDES = st.integers(2, 8192)


@given(width=SIDES, height=SIDES, count=st.integers(1, 200), columns=st.integers(1, 20))
def test_contact_sheet_has_a_tile_for_every_still_and_bounded_sides(
    width: int, height: int, count: int, columns: int
) -> None:
    layout = arrange_sheet((width, height), count, columns)
    assert layout.columns <= columns
    assert layout.columns * (layout.rows - 1) < count <= layout.columns * layout.rows
    assert max(layout.size) <= LONGEST_SIDE_PIXELS
    assert layout.tile_height <= TILE_HEIGHT


def test_contact_sheet_tiles_keep_the_aspect_ratio() -> None:
    layout = arrange_sheet((640, 360), 10, 4)
    assert (layout.columns, layout.rows) == (4, 3)
    assert (layout.tile_width, layout.tile_height) == (320, 180)
    assert layout.size == (4 * 320 + 3 * 4, 3 * 180 + 2 * 4)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (Fraction(0), "0:00.0"),
        (Fraction(5999, 100), "0:59.9"),
        (Fraction(60), "1:00.0"),
        (Fraction(36005, 10), "1:00:00.5"),
    ],
)
def test_contact_sheet_timestamp_format(seconds: Fraction, shown: str) -> None:
    assert format_timestamp(seconds) == shown


def test_contact_sheet_labels_each_tile_with_its_time() -> None:
    text = sheet_labels([Fraction(2), Fraction(75)], arrange_sheet((640, 360), 2, 2))
    *_, first, second = text.splitlines()
    assert first == "Dialogue: 0,0:00:00.00,0:00:00.50,Default,,0,0,0,,0:02.0"
    assert second == "Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,1:15.0"
