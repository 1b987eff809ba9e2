"""Timelines on the grid of frames: nothing is lost, nothing is shown twice."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.timeline.pieces import (
    PIECE_SECONDS,
    SAMPLE_RATE_HZ,
    Piece,
    SpanSweep,
    count_frames,
    partition_by_weight,
    place_clips,
    sample_at,
    split_into_pieces,
    total_frames,
)
from cinemill.capabilities.render.timeline.timeline import Clip, Source, Timeline, Transition
from cinemill.core.output import OutputFormat

RATES = st.sampled_from(
    [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)]
)

LENGTHS = st.integers(40, 90_000).map(lambda milliseconds: Fraction(milliseconds, 997))


def make(lengths: list[str], transition: str | None = None, fps: Fraction | int = 25) -> Timeline:
    fade = Transition("fade", Fraction(transition)) if transition else None
    clips = [Clip(Source("a.mp4"), Fraction(0), Fraction(length), fade) for length in lengths]
    return Timeline(tuple(clips), OutputFormat(320, 180, Fraction(fps)))


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    lengths = draw(st.lists(LENGTHS, min_size=1, max_size=30))
    fps = draw(RATES)
    most = max(Fraction(0), min(lengths) / 2 - 1 / fps)
    clips = []
    for length in lengths:
        seconds = most * draw(st.integers(0, 97)) / 97
        fade = Transition("fade", seconds) if seconds else None
        clips.append(Clip(Source("a.mp4"), Fraction(1), 1 + length, fade))
    return Timeline(tuple(clips), OutputFormat(320, 180, fps))


@given(timelines())
def test_every_frame_belongs_to_one_piece(timeline: Timeline) -> None:
    pieces = split_into_pieces(timeline)
    at = 0
    for piece in pieces:
        assert piece.first == at
        assert piece.frames > 0
        at = piece.end
    assert at == total_frames(timeline)


@given(timelines())
def test_pieces_show_what_the_clips_have(timeline: Timeline) -> None:
    places = place_clips(timeline)
    for piece in split_into_pieces(timeline):
        place = places[piece.clip]
        assert piece.first == place.first + piece.offset
        assert piece.offset + piece.frames <= place.frames
        if piece.transition:
            assert places[piece.clip + 1].first == piece.first
            assert piece.offset + piece.frames == place.frames


@given(timelines())
def test_a_film_is_as_long_as_its_clips_without_what_they_share(timeline: Timeline) -> None:
    fps = timeline.output.fps
    frames = sum(count_frames(clip.seconds, fps) for clip in timeline.clips)
    shared = sum(
        count_frames(clip.transition.seconds, fps)
        for clip in timeline.clips[:-1]
        if clip.transition
    )
    assert total_frames(timeline) == frames - shared
    exact = sum((clip.seconds for clip in timeline.clips), Fraction(0))
    exact -= sum(clip.transition.seconds for clip in timeline.clips[:-1] if clip.transition)
    assert abs(total_frames(timeline) / fps - exact) <= 2 * len(timeline.clips) / fps


@given(timelines(), st.integers(0), LENGTHS)
def test_a_changed_clip_leaves_the_pieces_of_others(
    timeline: Timeline, which: int, length: Fraction
) -> None:
    index = which % len(timeline.clips)
    clips = [*timeline.clips]
    old = clips[index]
    clips[index] = Clip(old.source, old.start, old.start + length + 90, old.transition)
    changed = Timeline(tuple(clips), timeline.output)
    before, after = (
        {
            (p.clip, p.offset, p.frames, p.transition)
            for p in split_into_pieces(t)
            if index not in p.clips
        }
        for t in (timeline, changed)
    )
    assert before == after


def test_cuts() -> None:
    assert split_into_pieces(make(["1", "2"])) == (Piece(0, 25, 0, 0), Piece(25, 50, 1, 0))


def test_a_transition_is_shared_by_two() -> None:
    assert split_into_pieces(make(["1", "2"], "0.4")) == (
        Piece(0, 15, 0, 0),
        Piece(15, 10, 0, 15, "fade"),
        Piece(25, 40, 1, 10),
    )


def test_a_clip_may_be_all_transition() -> None:
    pieces = split_into_pieces(make(["1", "1", "1"], "0.5", fps=24))
    assert [piece.transition for piece in pieces] == ["", "fade", "fade", ""]


def test_a_long_scene_is_many_pieces() -> None:
    pieces = split_into_pieces(make(["100"], fps=30))
    assert [piece.frames for piece in pieces] == [900, 900, 900, 300]
    assert pieces[0].frames == PIECE_SECONDS * 30


def test_half_a_frame_is_rounded_up() -> None:
    assert count_frames(Fraction(1, 50), Fraction(25)) == 1
    assert count_frames(Fraction(1, 1000), Fraction(25)) == 1
    assert count_frames(Fraction(0), Fraction(25)) == 0


@given(st.integers(0, 10**7), RATES)
def test_sound_goes_with_its_frame(frame: int, fps: Fraction) -> None:
    lag = frame / fps - Fraction(sample_at(frame, fps), SAMPLE_RATE_HZ)
    assert 0 <= lag < Fraction(1, SAMPLE_RATE_HZ)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=200), st.integers(1, 50))
def test_each_item_is_in_one_run(weights: list[int], runs_at_most: int) -> None:
    shares = partition_by_weight(weights, runs_at_most)
    assert [item for share in shares for item in share] == list(range(len(weights)))
    assert len(shares) <= runs_at_most
    assert all(shares)


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12)


@given(SPANS, st.lists(st.integers(1, 15), min_size=1, max_size=8))
def test_a_sweep_finds_what_looking_at_all_would(
    spans: list[tuple[int, int]], lengths: list[int]
) -> None:
    ends = [(first, first + length) for first, length in spans]
    sweep, at = SpanSweep(ends), 0
    for length in lengths:
        seen = {n: e for n, e in enumerate(ends) if e[0] < at + length and e[1] > at}
        assert list(sweep.find(at, at + length).items()) == list(seen.items())
        at += length
