"""Piece keys depend on all that a piece shows, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.pieces.piece_request import (
    Fade,
    PieceRequest,
    piece_key,
    request_audio,
    request_piece,
    restrict_to,
    sound_key,
)
from cinemill.capabilities.render.timeline.pieces import place_clips, split_into_pieces
from cinemill.capabilities.render.timeline.timeline import (
    Clip,
    Overlay,
    Source,
    Timeline,
    Title,
    Transition,
)
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitles import Cue, Subtitles

FADE = Transition("fade", Fraction(1))
SOURCES = [Source(f"{name}.mp4") for name in "abc"]
HASHES = {source: str(source.path) for source in SOURCES}
TIMELINE = Timeline(
    tuple(Clip(source, Fraction(0), Fraction(5), FADE) for source in SOURCES),
    OutputFormat(320, 180, Fraction(25)),
)


def list_requests(timeline: Timeline, subtitles: Subtitles | None = None) -> list[PieceRequest]:
    places = place_clips(timeline)
    return [
        request_piece(timeline, piece, places, HASHES, subtitles)
        for piece in split_into_pieces(timeline)
    ]


def list_keys(timeline: Timeline, subtitles: Subtitles | None = None) -> list[str]:
    return [piece_key(request, "ffmpeg 9") for request in list_requests(timeline, subtitles)]


def change(index: int, **changes: Any) -> Timeline:
    clips = [*TIMELINE.clips]
    clips[index] = replace(clips[index], **changes)
    return replace(TIMELINE, clips=tuple(clips))


def find_changed(timeline: Timeline, subtitles: Subtitles | None = None) -> list[int]:
    """Return the numbers of those of the five pieces whose key changed."""
    return find_others(list_keys(TIMELINE), list_keys(timeline, subtitles))


@pytest.mark.parametrize(
    ("timeline", "changed"),
    [
        (TIMELINE, []),
        (change(0, end=Fraction(4)), [0, 1]),
        (change(1, start=Fraction(1)), [1, 2]),
        (change(2, end=Fraction(4)), [4]),
        (change(1, transition=Transition("wipeup", Fraction(1))), [3]),
        (change(1, transition=Transition("fade", Fraction(1, 2))), [2, 3, 4]),
        (change(1, volume=Fraction(0)), []),
        (change(1, fade_in_seconds=Fraction(1, 2)), [1]),
        (change(1, fade_out_seconds=Fraction(2)), [2, 3]),
        (replace(TIMELINE, output=OutputFormat(640, 360, Fraction(25))), [0, 1, 2, 3, 4]),
    ],
)
def test_clip_change_changes_keys_of_its_own_pieces(timeline: Timeline, changed: list[int]) -> None:
    assert find_changed(timeline) == changed


def test_subtitle_changes_keys_of_pieces_that_show_it() -> None:
    assert find_changed(TIMELINE, Subtitles((Cue(1000, 2000, "x"),))) == [0]
    assert find_changed(TIMELINE, Subtitles((Cue(3900, 5100, "x"),))) == [0, 1, 2]


def test_same_scene_at_another_place_has_the_same_piece_key() -> None:
    clip = Clip(SOURCES[0], Fraction(1), Fraction(3))
    between = replace(TIMELINE.clips[1], transition=None)
    keys = list_keys(replace(TIMELINE, clips=(clip, between, clip)))
    assert keys[0] == keys[-1]


def test_piece_key_depends_on_the_ffmpeg_version() -> None:
    request = list_requests(TIMELINE)[0]
    assert piece_key(request, "ffmpeg 9") != piece_key(request, "ffmpeg 8")


def test_piece_request_starts_clips_where_the_piece_does() -> None:
    first, blend, second, *_ = list_requests(TIMELINE)
    assert [take.start for take in first.takes] == [Fraction(0)]
    assert [(take.sha256, take.start) for take in blend.takes] == [
        ("a.mp4", Fraction(4)),
        ("b.mp4", Fraction(0)),
    ]
    assert [(take.sha256, take.start) for take in second.takes] == [("b.mp4", Fraction(1))]


def test_clip_fades_continue_across_piece_boundaries() -> None:
    requests = list_requests(change(1, fade_in_seconds=Fraction(2), fade_out_seconds=Fraction(2)))
    assert requests[1].takes[1].fades == (Fade(False, 0, 50),)
    assert requests[2].takes[0].fades == (Fade(False, -25, 50), Fade(True, 50, 50))
    assert requests[3].takes[0].fades == (Fade(True, -25, 50),)


def test_audio_key_depends_on_what_is_audible() -> None:
    def name(timeline: Timeline) -> str:
        return sound_key(request_audio(timeline, HASHES), "ffmpeg 9")

    assert name(TIMELINE) == name(replace(TIMELINE, subtitles="a.srt"))
    assert name(TIMELINE) != name(change(1, volume=Fraction(0)))
    assert name(TIMELINE) != name(change(2, end=Fraction(4)))


def find_others(before: list[str], after: list[str]) -> list[int]:
    return [n for n, keys in enumerate(zip(before, after, strict=True)) if keys[0] != keys[1]]


def test_changed_title_changes_keys_of_the_pieces_under_it() -> None:
    title = Title("Hello", Fraction(4), Fraction(9, 2), fade_in_seconds=Fraction(1, 4))
    before = list_keys(replace(TIMELINE, titles=(title,)))
    for changed in (replace(title, text="Goodbye"), replace(title, color="#ff0000")):
        assert find_others(before, list_keys(replace(TIMELINE, titles=(changed,)))) == [1]


def test_title_end_changes_keys_only_of_pieces_that_show_it() -> None:
    """The title begins in the first piece, and its end moves within the last."""
    before, after = (
        list_keys(
            replace(
                TIMELINE,
                titles=(Title("Hello", Fraction(1), until, "top", fade_in_seconds=Fraction(1)),),
            )
        )
        for until in (Fraction(12), Fraction(25, 2))
    )
    assert find_others(before, after) == [4]


def test_piece_keys_of_plain_timelines_are_stable() -> None:
    """Changed keys render every user's videos again: if that is intended, raise STAGE_VERSION."""
    output = OutputFormat(320, 180, Fraction(25))
    half = Transition("fade", Fraction(1, 2))
    clips = (
        Clip(SOURCES[0], Fraction(0), Fraction(2), half),
        Clip(SOURCES[1], Fraction(1), Fraction(3)),
    )
    hashes = {source: source.path[0] for source in SOURCES if source.path}
    timeline = Timeline(clips, output)
    places = place_clips(timeline)
    requests = (
        request_piece(timeline, p, places, hashes, None) for p in split_into_pieces(timeline)
    )
    assert [piece_key(request, "9")[:8] for request in requests] == [
        *("fd5e1212", "0af4cf3b", "2cee1743")
    ]
    assert sound_key(request_audio(timeline, hashes), "9")[:8] == "4f665b0c"


@given(st.integers(0, 13_000), st.integers(1, 3000), st.integers(0, 4), st.integers(1, 5))
def test_restricted_timeline_has_the_same_piece_requests(
    start: int, length: int, skip: int, count: int
) -> None:
    since, until = Fraction(start, 1000), Fraction(start + length, 1000)
    overlay = Overlay(SOURCES[0], since, until, "Overlay 0")
    full = replace(TIMELINE, titles=(Title("Hello", since, until),), overlays=(overlay,))
    subtitles = Subtitles((Cue(start, start + length, "x"),))
    pieces = split_into_pieces(full)[skip : skip + count]
    places = place_clips(full)
    near, few = restrict_to(full, subtitles, pieces)
    for piece in pieces:
        asked = request_piece(full, piece, places, HASHES, subtitles)
        assert request_piece(near, piece, places, HASHES, few) == asked


def test_restricted_timeline_holds_nearby_titles_and_cues_only() -> None:
    titles = tuple(Title("x", Fraction(n), Fraction(n + 1)) for n in range(13))
    subtitles = Subtitles(tuple(Cue(1000 * n, 1000 * n + 1000, "x") for n in range(13)))
    full = replace(TIMELINE, titles=titles)
    near, few = restrict_to(full, subtitles, split_into_pieces(full)[:1])
    assert few is not None
    assert (len(near.titles), len(few.cues)) == (5, 5)
