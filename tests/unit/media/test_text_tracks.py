"""The index of a sprite sheet, as a player reads it."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import SpriteLayout
from cinemill.media.text_tracks import write_sprite_index

CUE = re.compile(r"(\S+) --> (\S+)\nsheet\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)")
layouts = st.builds(
    SpriteLayout,
    interval_seconds=st.fractions(Fraction(1, 10), 600, max_denominator=10),
    columns=st.integers(1, 12),
    rows=st.integers(1, 12),
    tile_width=st.integers(2, 400),
    tile_height=st.integers(2, 200),
)
durations = st.fractions(Fraction(1, 1000), 90_000, max_denominator=1000)


def read_clock(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


@given(layouts, durations)
def test_sprite_index_cues_cover_the_video_without_gaps(
    layout: SpriteLayout, duration: Fraction
) -> None:
    cues = CUE.findall(write_sprite_index(layout, duration, "sheet.jpg"))
    times = [(read_clock(start), read_clock(end)) for start, end, *_ in cues]
    assert times[0][0] == 0
    assert abs(times[-1][1] - duration * 1000) <= Fraction(1, 2)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(times))


@given(layouts, durations)
def test_sprite_index_cues_point_at_different_tiles(
    layout: SpriteLayout, duration: Fraction
) -> None:
    cues = CUE.findall(write_sprite_index(layout, duration, "sheet.jpg"))
    places = [(int(x), int(y)) for _, _, x, y, _, _ in cues]
    assert len(set(places)) == len(places) <= layout.tiles
    for x, y in places:
        assert x + layout.tile_width <= layout.columns * layout.tile_width
        assert y + layout.tile_height <= layout.rows * layout.tile_height


def test_sprite_index_matches_the_expected_text() -> None:
    layout = SpriteLayout(Fraction(2), 2, 1, 160, 90)
    assert write_sprite_index(layout, Fraction(7, 2), "sprite.jpg") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\nsprite.jpg#xywh=0,0,160,90\n\n"
        "00:00:02.000 --> 00:00:03.500\nsprite.jpg#xywh=160,0,160,90\n"
    )
