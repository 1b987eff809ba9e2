"""Large pictures cut into overlapping tiles, so that a search takes the memory of one tile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

LONGEST_SIDE_PX = 512
OVERLAP_PX = 64
"""A face of up to this side lies whole in one of the tiles at least."""
_SIDE_MULTIPLE = 32


def place_tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of tiles that cover a picture, as few and as equal as possible."""
    return product(_cut(height), _cut(width))


def _cut(length: int) -> list[slice]:
    count = max(1, math.ceil((length - OVERLAP_PX) / (LONGEST_SIDE_PX - OVERLAP_PX)))
    if count == 1:
        return [slice(0, length)]
    side = math.ceil((length + (count - 1) * OVERLAP_PX) / count)
    side += -side % _SIDE_MULTIPLE
    starts = (number * (length - side) // (count - 1) for number in range(count))
    return [slice(start, start + side) for start in starts]
