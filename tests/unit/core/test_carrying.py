"""Captions of films at the moments at which a timeline shows what is said."""

from __future__ import annotations

from fractions import Fraction

from cinemill.core.captions import Cue
from cinemill.core.carrying import carry_captions
from cinemill.core.timeline import GAP, Clip, OutputFormat, Source, Timeline, Transition

FILM, OTHER = Source(path="/film.mp4"), Source(asset_id="other")
SAID = [Cue(0, 1000, ("One.",), ()), Cue(2000, 4000, ("Two,", "{three}."), ())]


def clip(source: Source, start: str, end: str, transition: Transition | None = None) -> Clip:
    return Clip(source, Fraction(start), Fraction(end), transition)


def carry(*clips: Clip) -> list[tuple[int, int, str]]:
    timeline = Timeline(clips, OutputFormat(fps=Fraction(20)))
    cues = carry_captions(timeline, {FILM: SAID}).cues
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in cues]


def test_a_film_in_one_piece_keeps_its_times() -> None:
    assert carry(clip(FILM, "0", "5")) == [(0, 1000, "One."), (2000, 4000, r"Two,\N\{three\}.")]


def test_each_clip_says_what_it_shows_where_it_lies() -> None:
    gap = Clip(GAP, Fraction(0), Fraction(2))
    shown = carry(gap, clip(FILM, "0.5", "1.5"), clip(OTHER, "0", "3"), clip(FILM, "2.5", "3"))
    assert shown == [(2000, 2500, "One."), (6000, 6500, r"Two,\N\{three\}.")]


def test_a_transition_moves_what_follows_and_both_speak_in_it() -> None:
    fade = Transition("fade", Fraction(1))
    shown = carry(clip(FILM, "2", "4", fade), clip(FILM, "0", "2"))
    assert [(start, end) for start, end, _ in shown] == [(0, 2000), (1000, 2000)]


def test_what_is_left_at_an_edge_and_too_short_to_read_is_left_out() -> None:
    assert carry(clip(FILM, "0.9", "2.1")) == []
    assert carry(clip(FILM, "0.8", "2")) == [(0, 200, "One.")]
