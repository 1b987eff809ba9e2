"""Large pictures cut into overlapping tiles, so that a search takes the memory of one tile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from cinemill.core.faces import FaceBox

Tile = tuple[slice, slice]
"""Rows and columns."""
LONGEST_SIDE_PX = 512
OVERLAP_PX = 64
"""A face of up to this side lies whole in one of the tiles at least."""
BORDER_PX = 4
"""How far the box of a face that a border cuts may end from it: a cell of the detector's maps."""
_SIDE_MULTIPLE = 32


def place_tiles(height: int, width: int) -> Iterator[Tile]:
    """Yield rows and columns of tiles that cover a picture, as few and as equal as possible."""
    return product(_cut(height), _cut(width))


def may_be_cut(box: FaceBox, tile: Tile, height: int, width: int) -> bool:
    """Check whether a box, in pixels of its tile, may go on in a neighboring tile.

    ``height`` and ``width`` are those of the picture, at whose own edges nothing goes on.
    """
    rows, columns = tile
    return _reaches_border(box.top, box.top + box.height, rows, height) or _reaches_border(
        box.left, box.left + box.width, columns, width
    )


def _reaches_border(first: float, last: float, part: slice, length: int) -> bool:
    is_cut_before = part.start > 0 and first < BORDER_PX
    return is_cut_before or (part.stop < length and last > part.stop - part.start - BORDER_PX)


def _cut(length: int) -> list[slice]:
    count = max(1, math.ceil((length - OVERLAP_PX) / (LONGEST_SIDE_PX - OVERLAP_PX)))
    if count == 1:
        return [slice(0, length)]
    side = math.ceil((length + (count - 1) * OVERLAP_PX) / count)
    side += -side % _SIDE_MULTIPLE
    starts = (number * (length - side) // (count - 1) for number in range(count))
    return [slice(start, start + side) for start in starts]
