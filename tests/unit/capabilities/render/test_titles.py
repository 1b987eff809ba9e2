"""Titles: the frames that they are in, and that their text cannot become commands."""

from __future__ import annotations

import re
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.timeline.timeline import PLACES, Title
from cinemill.capabilities.render.timeline.titles import titles_for_piece
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitles import NOTHING, lead_frames, write_ass

OUTPUT = OutputFormat(320, 180, Fraction(25))
OURS = re.compile(r"^\{\\an[1-9]\\fs\d+\\1c&H[0-9A-F]{6}&(\\fad\(\d+,\d+\))?\}")
MEANS_SOMETHING = re.compile(r"(?<!\\)[{}]|\\[^{}\u2060N]")


def letter(first: int, frames: int, **looks: object) -> list[tuple[int, int, str]]:
    title = Title("Hello", Fraction(1), Fraction(3), **looks)  # type: ignore[arg-type]
    return [
        (o.first, o.end, o.text) for o in titles_for_piece([title], first, frames, OUTPUT).shown
    ]


@given(st.text(min_size=1), st.sampled_from(PLACES))
def test_title_text_is_escaped(text: str, place: str) -> None:
    title = Title(text, Fraction(0), Fraction(1), place)
    lettering = titles_for_piece([title], 0, 25, OUTPUT)
    events = [
        line
        for line in write_ass(lettering, OUTPUT.fps).split("\n")
        if line.startswith("Dialogue:")
    ]
    (event,) = events
    assert event.endswith(lettering.shown[0].text)
    ours = OURS.match(lettering.shown[0].text)
    assert ours
    words = lettering.shown[0].text[ours.end() :]
    assert not MEANS_SOMETHING.search(words)
    assert words.count(r"\N") == max(0, len(text.splitlines()) - 1)
    assert "\n" not in words
    assert "\r" not in words


def test_title_is_drawn_in_its_frames_only() -> None:
    assert titles_for_piece([], 0, 25, OUTPUT) == NOTHING
    assert letter(0, 25) == letter(75, 25) == []
    assert [one[:2] for one in letter(0, 50)] == [(25, 50)]
    assert [one[:2] for one in letter(50, 50)] == [(0, 25)]


def test_title_style_is_written_before_its_text() -> None:
    looks = {"place": "top-right", "size": Fraction(1, 5), "color": "#ff8800"}
    assert letter(25, 25, **looks) == [(0, 25, r"{\an9\fs36\1c&H0088FF&}Hello")]


def test_title_fade_is_written_only_to_pieces_that_show_it() -> None:
    fades = {"fade_in_seconds": Fraction(1, 2), "fade_out_seconds": Fraction(1, 5)}
    seen = [letter(first, 13, **fades) for first in (25, 38, 62)]
    assert [one[0][:2] for one in seen] == [(0, 13), (0, 13), (0, 13)]
    assert [r"\fad(520,0)" in one[0][2] for one in seen] == [True, False, False]
    assert r"\fad(0,200)" in seen[2][0][2]


def test_title_fade_continues_across_piece_boundaries() -> None:
    """The age of the title at frame 60 of the timeline is the same in the file of each piece."""
    title = Title("Hello", Fraction(1), Fraction(9), fade_in_seconds=Fraction(4))
    ages = []
    for first in (10, 25, 26, 50):
        lettering = titles_for_piece([title], first, 70, OUTPUT)
        start = re.search(r"Dialogue: 0,0:00:(\d+\.\d+)", write_ass(lettering, OUTPUT.fps))
        assert start
        ages.append((60 - first + lead_frames(lettering)) / OUTPUT.fps - Fraction(start[1]))
    assert ages == [Fraction(142, 100)] * 4


def test_titles_in_one_place_are_on_separate_layers() -> None:
    titles = [Title(text, Fraction(0), Fraction(1)) for text in "ab"]
    shown = titles_for_piece(titles, 0, 25, OUTPUT).shown
    assert [one.layer for one in shown] == [0, 1]
