"""Titles, gaps and the background, by the real FFmpeg."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from tests import films
from tests.integration.media.editing import FADE, OUTPUT, Bench, edit

from cinemill.capabilities.render.timeline.timeline import GAP, Clip, Timeline, Title

ORANGE = (255, 136, 0)


def read_colours(path: Path, *, at: tuple[int, int] = (90, 160)) -> list[tuple[int, int, int]]:
    """Return the colors of one spot, frame by frame."""
    with av.open(str(path)) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    return [(int(p[at][0]), int(p[at][1]), int(p[at][2])) for p in pictures]


def is_near(colour: tuple[int, int, int], wanted: tuple[int, int, int], off: int = 14) -> bool:
    return all(abs(a - b) <= off for a, b in zip(colour, wanted, strict=True))


def make_dark(bench: Bench, path: Path, size: tuple[int, int] = (320, 180)) -> Clip:
    dark = "lutyuv=y=16:u=128:v=128"
    return Clip(bench.add(films.make_film(path, filters=dark, size=size)), Fraction(0), Fraction(1))


def render(bench: Bench, timeline: Timeline) -> Path:
    path, _ = bench.join(timeline, bench.render(timeline), None)
    return path


def test_title_is_drawn_in_its_frames_position_and_color(bench: Bench, tmp_path: Path) -> None:
    timeline = edit(make_dark(bench, tmp_path / "dark.mp4"))
    words = "MMMM'; [x] %{pts} {\\b1} : , movie=/etc/passwd\nMMMM"
    title = Title(words, Fraction(2, 5), Fraction(3, 5), "top-left", Fraction(1, 6), "#ff0000")
    with av.open(str(render(bench, replace(timeline, titles=(title,))))) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    reds = [picture[:, :, 0] > 150 for picture in pictures]
    assert [n for n, red in enumerate(reds) if red.any()] == list(range(10, 15))
    rows, columns = np.nonzero(reds[12])
    assert rows.max() < 100
    assert columns.min() < 40
    assert np.ptp(rows) > 40


def test_title_fades_in_and_out_over_a_cut(bench: Bench, tmp_path: Path) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4")
    title = Title("MMM", Fraction(4, 5), Fraction(8, 5), size=Fraction(1, 2))
    title = replace(title, fade_in_seconds=Fraction(2, 5), fade_out_seconds=Fraction(2, 5))
    path = render(bench, replace(edit(clip, clip), titles=(title,)))
    with av.open(str(path)) as film:
        light = [int(frame.to_ndarray(format="gray").max()) for frame in film.decode(video=0)]
    assert max(light[:20]) < 24
    comes, goes = light[20:30:3], light[30:40:3]
    assert comes == sorted(comes)
    assert goes == sorted(goes, reverse=True)
    assert min(light[29:31]) > 200
    assert max(abs(after - before) for before, after in pairwise(light[20:40])) < 50
    assert max(light[40:]) < 24


def test_gap_shows_the_background_and_can_be_faded_into(bench: Bench, tmp_path: Path) -> None:
    clip = replace(make_dark(bench, tmp_path / "dark.mp4"), transition=FADE)
    gap = Clip(GAP, Fraction(0), Fraction(1))
    timeline = replace(edit(clip, gap, clip), background="#ff8800")
    sound = bench.mix(timeline)
    path, facts = bench.join(timeline, bench.render(timeline), sound)
    colours = read_colours(path)
    assert (facts["frames"], facts["sounds"]) == (65, 1)
    assert all(is_near(colour, (0, 0, 0)) for colour in colours[:15])
    assert all(is_near(colour, ORANGE) for colour in colours[25:40])
    assert all(is_near(colour, (0, 0, 0)) for colour in colours[40:])
    reds = [colour[0] for colour in colours[15:25]]
    assert reds == sorted(reds)


def test_background_fills_the_space_next_to_another_aspect_ratio(
    bench: Bench, tmp_path: Path
) -> None:
    clip = make_dark(bench, tmp_path / "square.mp4", size=(180, 180))
    clip = replace(clip, end=Fraction(1, 5))
    path = render(bench, replace(edit(clip), background="#ff8800"))
    assert is_near(read_colours(path, at=(90, 10))[0], ORANGE)
    assert is_near(read_colours(path)[0], (0, 0, 0))


def test_invisible_background_changes_no_piece(bench: Bench, tmp_path: Path) -> None:
    filled = make_dark(bench, tmp_path / "filled.mp4")
    square = make_dark(bench, tmp_path / "square.mp4", size=(180, 180))
    timeline = edit(filled, square, output=OUTPUT)
    black, orange = (
        bench.request(replace(timeline, background=colour)) for colour in ("#000000", "#ff8800")
    )
    assert [a == b for a, b in zip(black, orange, strict=True)] == [True, False]
