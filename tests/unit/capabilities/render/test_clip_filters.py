"""Pieces and their sound as FFmpeg is told of them, before anything runs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.audio.audio_mix import (
    count_samples,
    cut_segments,
    plan_stretches,
)
from cinemill.capabilities.render.pieces.clip_filters import (
    Film,
    resolve_stills,
    seek_arguments,
    tail_seconds,
    ticks_per_frame,
)
from cinemill.capabilities.render.pieces.piece_plan import plan_piece
from cinemill.capabilities.render.pieces.piece_request import (
    PieceRequest,
    SoundRequest,
    Take,
    piece_key,
    request_piece,
    request_sound,
)
from cinemill.capabilities.render.timeline.pieces import (
    SAMPLE_RATE_HZ,
    PlacedClip,
    place_clips,
    split_into_pieces,
)
from cinemill.capabilities.render.timeline.timeline import (
    Clip,
    Overlay,
    Source,
    Timeline,
    Transition,
)
from cinemill.core.media import (
    AudioStream,
    MaterialFormat,
    MediaInfo,
    SourceFormat,
    VideoStream,
)
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitle_parser import read_subtitles
from cinemill.core.text.subtitles import subtitles_for_piece

OUTPUT = OutputFormat(320, 180, Fraction(25))
RATES = st.sampled_from(
    [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(120)]
)

VIDEO = VideoStream(
    index=0,
    codec="h264",
    width=320,
    height=180,
    display_width=320,
    display_height=180,
    fps=Fraction(25),
    is_variable_rate=False,
    rotation_degrees=0,
    pixel_format="yuv420p",
    bit_depth=8,
    is_interlaced=False,
    color_primaries="unknown",
    color_transfer="unknown",
    color_space="unknown",
    hdr="",
    frames_from_header=0,
    duration_seconds_from_header=1000.0,
)
SOUND = AudioStream(1, "aac", 2, 48_000, "und", is_default=True)


def make_info() -> MediaInfo:
    return MediaInfo(SourceFormat.MP4, 1000, 1000.0, 0.0, 4000, VIDEO, audio=(SOUND,))


def plan(info: MediaInfo, request: PieceRequest) -> list[str]:
    films = {sha256: Film(Path(f"/store/{sha256}"), info) for sha256 in request.sha256s}
    return plan_piece(films, request, "piece.mp4", can_tonemap=True, max_pixels=10**8)


@given(RATES)
def test_every_frame_has_a_whole_time(fps: Fraction) -> None:
    timescale, ticks = ticks_per_frame(fps)
    assert Fraction(ticks, timescale) == 1 / fps
    assert timescale >= 10_000


@given(st.fractions(0, 10_000, max_denominator=1001), RATES)
def test_a_film_is_entered_before_what_is_wanted(start: Fraction, fps: Fraction) -> None:
    info = make_info()
    info = replace(info, video=replace(info.video, fps=fps))
    arguments, shift = seek_arguments(info, start)
    at = Fraction(arguments[1]) if arguments else Fraction(0)
    assert abs(at + shift - start) < Fraction(1, 10**6)
    assert shift >= min(start, Fraction(1, 2))


def test_the_picture_may_begin_after_the_sound() -> None:
    late = replace(make_info(), start_seconds=0.5, clock_start_seconds=0.0)
    assert seek_arguments(late, Fraction(0)) == ([], Fraction(1, 2))


def test_without_an_index_a_film_is_entered_long_before() -> None:
    stream = replace(make_info(), format=SourceFormat.MPEG_TS)
    assert seek_arguments(stream, Fraction(20))[0] == []
    assert float(seek_arguments(stream, Fraction(100))[0][1]) == pytest.approx(70)
    assert tail_seconds(stream) > tail_seconds(make_info())


def test_edit_lists_are_decoded_from_the_beginning() -> None:
    edited = replace(make_info(), has_edit_list=True)
    assert seek_arguments(edited, Fraction(100)) == ([], Fraction(100))


def test_nothing_of_a_user_is_in_a_filter() -> None:
    subtitles = read_subtitles(b"1\n00:00:00,000 --> 00:00:09,000\nevil',movie=x\n")
    lettering = subtitles_for_piece(subtitles, 0, 25, OUTPUT)
    request = PieceRequest((Take("aa", Fraction(0)),), 25, "", OUTPUT, lettering)
    arguments = plan(make_info(), request)
    graph = arguments[arguments.index("-filter_complex") + 1]
    assert "subtitles=filename=subtitles.ass:fontsdir=fonts" in graph
    assert not any("evil" in argument for argument in arguments)


def test_both_films_of_a_transition_are_opened() -> None:
    request = PieceRequest((Take("aa", Fraction(9)), Take("bb", Fraction(0))), 25, "wipeup", OUTPUT)
    arguments = plan(make_info(), request)
    assert [a for a in arguments if a.startswith("file:")] == ["file:/store/aa", "file:/store/bb"]
    assert "xfade=transition=wipeup:duration=1.000000" in " ".join(arguments)


@st.composite
def sounds(draw: st.DrawFn) -> SoundRequest:
    lengths = draw(st.lists(st.integers(4, 200), min_size=1, max_size=40))
    fps = draw(RATES)
    source = Source("a")
    clips = []
    for frames in lengths:
        shared = draw(st.integers(0, min(lengths) // 2))
        fade = Transition("fade", shared / fps) if shared else None
        clips.append(Clip(source, Fraction(0), frames / fps, fade))
    timeline = Timeline(tuple(clips), replace(OUTPUT, fps=fps))
    return request_sound(timeline, {source: "aa"})


@given(sounds())
def test_every_sample_is_of_one_stretch(request: SoundRequest) -> None:
    stretches = cut_segments(request)
    assert sum(one.samples for one in stretches) == count_samples(request)
    for one in stretches:
        place = request.takes[one.take].place
        longest = Fraction(place.frames * SAMPLE_RATE_HZ) / request.fps + 1
        assert one.samples > 0
        assert one.start + one.samples <= longest


def test_a_clip_without_sound_opens_no_film() -> None:
    silent = replace(make_info(), audio=())
    clips = (
        Clip(Source("a"), Fraction(0), Fraction(1)),
        Clip(Source("b"), Fraction(0), Fraction(1)),
    )
    timeline = Timeline(clips, OUTPUT)
    request = request_sound(timeline, {Source("a"): "aa", Source("b"): "bb"})
    films = {"aa": Film(Path("/aa"), silent), "bb": Film(Path("/bb"), make_info())}
    arguments = plan_stretches(films, request, cut_segments(request), 10**8)
    assert [a for a in arguments if a.startswith("file:")] == ["file:/bb"]
    assert "anullsrc" in " ".join(arguments)


def test_clips_share_what_their_transition_says() -> None:
    fade = Transition("fade", Fraction(2, 5))
    clips = tuple(Clip(Source("a"), Fraction(0), Fraction(2), fade) for _ in range(3))
    assert place_clips(Timeline(clips, OUTPUT)) == (
        PlacedClip(0, 50, 0, 10),
        PlacedClip(40, 50, 10, 10),
        PlacedClip(80, 50, 10, 0),
    )


def name_all(first_seconds: int, laid: MaterialFormat | SourceFormat) -> list[str]:
    """The keys of a film of three scenes under one overlay, which comes and goes slowly."""
    scenes = [Clip(Source("a"), Fraction(0), Fraction(n)) for n in (first_seconds, 5, 5)]
    end = Fraction(first_seconds + 10)
    over = Overlay(
        Source("b"),
        Fraction(0),
        end,
        "Overlay 0",
        fade_in_seconds=Fraction(1),
        fade_out_seconds=Fraction(1),
    )
    timeline = Timeline(tuple(scenes), OUTPUT, overlays=(over,))
    infos = {"a": make_info(), "b": replace(make_info(), format=laid)}
    films = {name: Film(Path(name), info) for name, info in infos.items()}
    hashes = {Source(name): name for name in infos}
    places = place_clips(timeline)
    asked = (request_piece(timeline, p, places, hashes, None) for p in split_into_pieces(timeline))
    return [piece_key(resolve_stills(films, request), "9") for request in asked]


def test_under_a_logo_only_the_changed_scene_is_made_anew() -> None:
    """A still looks the same wherever it lies; a film over the picture moves with it."""
    for laid, is_same in (
        (MaterialFormat.PNG, [False, True, True]),
        (SourceFormat.MP4, [False, False, False]),
    ):
        before, after = name_all(10, laid), name_all(12, laid)
        assert [one == other for one, other in zip(before, after, strict=True)] == is_same
