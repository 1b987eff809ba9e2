"""FFmpeg's arguments for pieces and their audio, before anything runs."""

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
    plan_segments,
)
from cinemill.capabilities.render.pieces.clip_filters import (
    StoredVideo,
    resolve_stills,
    seek_arguments,
    tail_seconds,
    ticks_per_frame,
)
from cinemill.capabilities.render.pieces.piece_plan import plan_piece
from cinemill.capabilities.render.pieces.piece_request import (
    AudioRequest,
    ClipSpan,
    PieceRequest,
    piece_key,
    request_audio,
    request_piece,
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
    films = {sha256: StoredVideo(Path(f"/store/{sha256}"), info) for sha256 in request.sha256s}
    return plan_piece(films, request, "piece.mp4", can_tonemap=True, max_pixels=10**8)


@given(RATES)
def test_ticks_per_frame_are_whole_at_every_rate(fps: Fraction) -> None:
    timescale, ticks = ticks_per_frame(fps)
    assert Fraction(ticks, timescale) == 1 / fps
    assert timescale >= 10_000


@given(st.fractions(0, 10_000, max_denominator=1001), RATES)
def test_seek_arguments_seek_before_the_requested_start(start: Fraction, fps: Fraction) -> None:
    info = make_info()
    info = replace(info, video=replace(info.video, fps=fps))
    arguments, shift = seek_arguments(info, start)
    at = Fraction(arguments[1]) if arguments else Fraction(0)
    assert abs(at + shift - start) < Fraction(1, 10**6)
    assert shift >= min(start, Fraction(1, 2))


def test_seek_arguments_shift_by_a_late_video_start() -> None:
    late = replace(make_info(), start_seconds=0.5, clock_start_seconds=0.0)
    assert seek_arguments(late, Fraction(0)) == ([], Fraction(1, 2))


def test_seek_arguments_seek_far_ahead_without_an_index() -> None:
    stream = replace(make_info(), format=SourceFormat.MPEG_TS)
    assert seek_arguments(stream, Fraction(20))[0] == []
    assert float(seek_arguments(stream, Fraction(100))[0][1]) == pytest.approx(70)
    assert tail_seconds(stream) > tail_seconds(make_info())


def test_seek_arguments_decode_edit_lists_from_the_beginning() -> None:
    edited = replace(make_info(), has_edit_list=True)
    assert seek_arguments(edited, Fraction(100)) == ([], Fraction(100))


def test_piece_arguments_contain_no_text_of_users() -> None:
    subtitles = read_subtitles(b"1\n00:00:00,000 --> 00:00:09,000\nevil',movie=x\n")
    lettering = subtitles_for_piece(subtitles, 0, 25, OUTPUT)
    request = PieceRequest((ClipSpan("aa", Fraction(0)),), 25, "", OUTPUT, lettering)
    arguments = plan(make_info(), request)
    graph = arguments[arguments.index("-filter_complex") + 1]
    assert "subtitles=filename=subtitles.ass:fontsdir=fonts" in graph
    assert not any("evil" in argument for argument in arguments)


def test_piece_arguments_open_both_videos_of_a_transition() -> None:
    request = PieceRequest(
        (ClipSpan("aa", Fraction(9)), ClipSpan("bb", Fraction(0))), 25, "wipeup", OUTPUT
    )
    arguments = plan(make_info(), request)
    assert [a for a in arguments if a.startswith("file:")] == ["file:/store/aa", "file:/store/bb"]
    assert "xfade=transition=wipeup:duration=1.000000" in " ".join(arguments)


@st.composite
def sounds(draw: st.DrawFn) -> AudioRequest:
    lengths = draw(st.lists(st.integers(4, 200), min_size=1, max_size=40))
    fps = draw(RATES)
    source = Source("a")
    clips = []
    for frames in lengths:
        shared = draw(st.integers(0, min(lengths) // 2))
        fade = Transition("fade", shared / fps) if shared else None
        clips.append(Clip(source, Fraction(0), frames / fps, fade))
    timeline = Timeline(tuple(clips), replace(OUTPUT, fps=fps))
    return request_audio(timeline, {source: "aa"})


@given(sounds())
def test_every_audio_sample_is_in_one_segment(request: AudioRequest) -> None:
    segments = cut_segments(request)
    assert sum(one.samples for one in segments) == count_samples(request)
    for one in segments:
        place = request.takes[one.take].place
        longest = Fraction(place.frames * SAMPLE_RATE_HZ) / request.fps + 1
        assert one.samples > 0
        assert one.start + one.samples <= longest


def test_audio_arguments_open_no_video_without_audio() -> None:
    silent = replace(make_info(), audio=())
    clips = (
        Clip(Source("a"), Fraction(0), Fraction(1)),
        Clip(Source("b"), Fraction(0), Fraction(1)),
    )
    timeline = Timeline(clips, OUTPUT)
    request = request_audio(timeline, {Source("a"): "aa", Source("b"): "bb"})
    films = {"aa": StoredVideo(Path("/aa"), silent), "bb": StoredVideo(Path("/bb"), make_info())}
    arguments = plan_segments(films, request, cut_segments(request), 10**8)
    assert [a for a in arguments if a.startswith("file:")] == ["file:/bb"]
    assert "anullsrc" in " ".join(arguments)


def test_adjacent_clips_share_the_frames_of_their_transition() -> None:
    fade = Transition("fade", Fraction(2, 5))
    clips = tuple(Clip(Source("a"), Fraction(0), Fraction(2), fade) for _ in range(3))
    assert place_clips(Timeline(clips, OUTPUT)) == (
        PlacedClip(0, 50, 0, 10),
        PlacedClip(40, 50, 10, 10),
        PlacedClip(80, 50, 10, 0),
    )


def name_all(first_seconds: int, laid: MaterialFormat | SourceFormat) -> list[str]:
    """Return the piece keys of three scenes under one overlay that fades in and out."""
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
    films = {name: StoredVideo(Path(name), info) for name, info in infos.items()}
    hashes = {Source(name): name for name in infos}
    places = place_clips(timeline)
    asked = (request_piece(timeline, p, places, hashes, None) for p in split_into_pieces(timeline))
    return [piece_key(resolve_stills(films, request), "9") for request in asked]


def test_changed_scene_under_a_still_overlay_leaves_other_piece_keys() -> None:
    """A still looks the same at any time; a video overlay shows other frames when moved."""
    for laid, is_same in (
        (MaterialFormat.PNG, [False, True, True]),
        (SourceFormat.MP4, [False, False, False]),
    ):
        before, after = name_all(10, laid), name_all(12, laid)
        assert [one == other for one, other in zip(before, after, strict=True)] == is_same
