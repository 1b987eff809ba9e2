"""Layout of a contact sheet: stills of one video in a grid, each with its time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cinemill.core.sizes import make_even
from cinemill.core.text.ass import EVENT_HEAD, make_default_style, write_clock, write_head

TILE_HEIGHT = 180
GAP_PIXELS = 4
LONGEST_SIDE_PIXELS = 8192
"""Browsers and phones reject longer ones."""
_TEXT_SHARE = Fraction(1, 9)
_MARGIN_SHARE = Fraction(1, 30)
_BOXED = "3"
_BOTTOM_RIGHT = "3"
_HALF_BLACK = "&H60000000"


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """Tiles in rows from the top left, with a gap between them."""

    columns: int
    rows: int
    tile_width: int
    tile_height: int

    @property
    def size(self) -> tuple[int, int]:
        """Return the width and height of the whole sheet in pixels."""
        return (
            self.columns * (self.tile_width + GAP_PIXELS) - GAP_PIXELS,
            self.rows * (self.tile_height + GAP_PIXELS) - GAP_PIXELS,
        )


def arrange_sheet(still_size: tuple[int, int], count: int, columns: int) -> SheetLayout:
    """Return a grid for ``count`` stills of this size.

    No still is enlarged, and no side of the sheet exceeds ``LONGEST_SIDE_PIXELS``.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width, height = still_size
    scale = min(
        Fraction(1),
        Fraction(TILE_HEIGHT, height),
        Fraction(_longest_side(columns), width),
        Fraction(_longest_side(rows), height),
    )
    return SheetLayout(columns, rows, make_even(width * scale), make_even(height * scale))


def _longest_side(tiles: int) -> int:
    """Return a tile's longest side for this many tiles in a line; it is even."""
    return (LONGEST_SIDE_PIXELS // tiles - GAP_PIXELS) // 2 * 2


def sheet_labels(timestamps: Sequence[Fraction], layout: SheetLayout) -> str:
    """Return an ASS file with each tile's time at its lower right, for one tile a second."""
    size = layout.tile_width, layout.tile_height
    margin = str(round(layout.tile_height * _MARGIN_SHARE))
    style = replace(
        make_default_style(layout.tile_height),
        fontsize=str(max(6, round(layout.tile_height * _TEXT_SHARE))),
        outlinecolour=_HALF_BLACK,
        borderstyle=_BOXED,
        alignment=_BOTTOM_RIGHT,
        marginl=margin,
        marginr=margin,
        marginv=margin,
    )
    second = Fraction(1)
    shown = (
        f"Dialogue: 0,{write_clock(number, second)},{write_clock(number + 1, second)}"
        f",{style.name},,0,0,0,,{format_timestamp(timestamp)}"
        for number, timestamp in enumerate(timestamps)
    )
    return "\n".join([*write_head([style], size), EVENT_HEAD, *shown, ""])


def format_timestamp(seconds: Fraction) -> str:
    """Return ``1:02:03.4``, or ``2:03.4`` within the first hour; tenths are rounded down."""
    minutes, tenths = divmod(int(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{clock}:{tenths // 10:02d}.{tenths % 10}"
