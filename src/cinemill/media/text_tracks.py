"""WebVTT (https://www.w3.org/TR/webvtt1/): the index of a sprite sheet."""

from __future__ import annotations

import math
from fractions import Fraction

from cinemill.core.timing import format_clock, to_milliseconds
from cinemill.media.graph import SpriteLayout


def write_sprite_index(layout: SpriteLayout, duration_seconds: Fraction, image_name: str) -> str:
    """One cue a tile, each pointing at its rectangle (``image.jpg#xywh=x,y,w,h``).

    Cues follow one another without gaps from 0 to ``duration_seconds``; a film longer than its
    sheet keeps the last tile to its end. ``image_name`` is relative to where the index is served.
    """
    shown = math.ceil(duration_seconds / layout.interval_seconds)
    tiles = max(1, min(layout.tiles, shown))
    lines = ["WEBVTT", ""]
    for tile in range(tiles):
        start = layout.interval_seconds * tile
        end = duration_seconds if tile == tiles - 1 else start + layout.interval_seconds
        x = tile % layout.columns * layout.tile_width
        y = tile // layout.columns * layout.tile_height
        lines += [
            f"{format_clock(to_milliseconds(start))} --> {format_clock(to_milliseconds(end))}",
            f"{image_name}#xywh={x},{y},{layout.tile_width},{layout.tile_height}",
            "",
        ]
    return "\n".join(lines)
