"""Captions of videos, moved to where a timeline shows what they say."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.timeline.retime_captions import LEAST_MS, retime_captions
from cinemill.capabilities.render.timeline.timeline import GAP, Clip, Source, Timeline, Transition
from cinemill.core.output import OutputFormat
from cinemill.core.text.segmentation import Cue

FILM, OTHER = Source(path="/film.mp4"), Source(asset_id="other")
SAID = [Cue(0, 1000, ("One.",), ()), Cue(2000, 4000, ("Two,", "{three}."), ())]


def clip(source: Source, start: str, end: str, transition: Transition | None = None) -> Clip:
    return Clip(source, Fraction(start), Fraction(end), transition)


def carry(*clips: Clip) -> list[tuple[int, int, str]]:
    timeline = Timeline(clips, OutputFormat(fps=Fraction(20)))
    cues = retime_captions(timeline, {FILM: SAID}).cues
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in cues]


def test_captions_of_an_uncut_video_keep_their_times() -> None:
    assert carry(clip(FILM, "0", "5")) == [(0, 1000, "One."), (2000, 4000, r"Two,\N\{three\}.")]


def test_captions_are_cut_and_moved_with_their_clips() -> None:
    gap = Clip(GAP, Fraction(0), Fraction(2))
    shown = carry(gap, clip(FILM, "0.5", "1.5"), clip(OTHER, "0", "3"), clip(FILM, "2.5", "3"))
    assert shown == [(2000, 2500, "One."), (6000, 6500, r"Two,\N\{three\}.")]


def test_captions_of_both_clips_are_shown_during_a_transition() -> None:
    fade = Transition("fade", Fraction(1))
    shown = carry(clip(FILM, "2", "4", fade), clip(FILM, "0", "2"))
    assert [(start, end) for start, end, _ in shown] == [(0, 2000), (1000, 2000)]


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000)), max_size=20),
    st.integers(0, 60),
    st.integers(1, 60),
)
def test_retimed_captions_include_every_visible_cue(
    times: list[tuple[int, int]], start: int, frames: int
) -> None:
    """Cues of an uploaded file may overlap."""
    cues = [Cue(at, at + length, (f"{at}",), ()) for at, length in times]
    shown = Clip(FILM, Fraction(start, 20), Fraction(start + frames, 20))
    timeline = Timeline((shown,), OutputFormat(fps=Fraction(20)))
    since, until = start * 50, (start + frames) * 50
    cut = [(max(since, one.start_ms), min(until, one.end_ms), one) for one in cues]
    expected = [
        (begin - since, end - since, one.lines[0])
        for begin, end, one in cut
        if end - begin >= min(LEAST_MS, one.end_ms - one.start_ms)
    ]
    found = retime_captions(timeline, {FILM: cues}).cues
    assert sorted((one.start_ms, one.end_ms, one.text) for one in found) == sorted(expected)


def test_captions_of_ten_thousand_clips_are_found_by_index() -> None:
    """Comparing each clip with all cues of a long video would take minutes."""
    cues = [Cue(at * 100, at * 100 + 100, ("a",), ()) for at in range(20_000)]
    clips = tuple(clip(FILM, str(at), str(at + Fraction(1, 10))) for at in range(2000)) * 5
    timeline = Timeline(clips, OutputFormat(fps=Fraction(20)))
    assert len(retime_captions(timeline, {FILM: cues}).cues) == len(clips)


def test_captions_cut_too_short_to_read_are_dropped() -> None:
    assert carry(clip(FILM, "0.9", "2.1")) == []
    assert carry(clip(FILM, "0.8", "2")) == [(0, 200, "One.")]
