"""FFmpeg's arguments for any video that probing may describe."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.ingest.graph import plan_prepare, plan_sprite
from cinemill.capabilities.ingest.request import PreparePlan, PrepareRequest
from cinemill.core.media import ArtifactKind, AudioStream, MediaInfo, SourceFormat, VideoStream
from cinemill.core.tracks.choice import choose_audio
from cinemill.media.ffmpeg.arguments import fit_height

HDR = {"smpte2084": "pq", "arib-std-b67": "hlg"}
sides = st.integers(1, 16_384)
videos = st.builds(
    VideoStream,
    index=st.integers(0, 31),
    codec=st.just("h264"),
    width=sides,
    height=sides,
    display_width=sides,
    display_height=sides,
    fps=st.fractions(0, 1000),
    is_variable_rate=st.booleans(),
    rotation_degrees=st.sampled_from([0, 90, 180, 270]),
    pixel_format=st.just("yuv420p"),
    bit_depth=st.sampled_from([8, 10]),
    is_interlaced=st.booleans(),
    color_primaries=st.sampled_from(["unknown", "bt709", "bt2020"]),
    color_transfer=st.sampled_from(["unknown", "bt709", "smpte2084", "arib-std-b67"]),
    color_space=st.just("unknown"),
    hdr=st.just(""),
    frames_from_header=st.integers(0, 10**6),
    duration_seconds_from_header=st.floats(0, 43_200),
).map(lambda video: replace(video, hdr=HDR.get(video.color_transfer, "")))
sounds = st.builds(
    AudioStream,
    index=st.integers(0, 31),
    codec=st.just("aac"),
    channels=st.integers(1, 8),
    sample_rate_hz=st.integers(8000, 192_000),
    language=st.just("und"),
    is_default=st.booleans(),
)
films = st.builds(
    MediaInfo,
    format=st.sampled_from(SourceFormat),
    size_bytes=st.integers(1, 2**40),
    duration_seconds_from_header=st.floats(0, 43_200),
    start_seconds=st.floats(0, 10),
    bitrate_bps=st.integers(0, 10**9),
    video=videos,
    audio=st.lists(sounds, max_size=3).map(tuple),
)
requests = st.builds(
    PrepareRequest, thumbnail_seconds=st.none() | st.fractions(0, 50_000, max_denominator=1000)
)


def plan(info: MediaInfo, request: PrepareRequest, *, can_tonemap: bool = True) -> PreparePlan:
    return plan_prepare("/in/film", info, request, can_tonemap=can_tonemap, max_pixels=10**7)


@given(films, requests)
def test_ingest_plan_has_one_decode_and_every_requested_file(
    info: MediaInfo, request: PrepareRequest
) -> None:
    planned = plan(info, request)
    kinds = [output.kind for output in planned.outputs]
    assert planned.arguments.count("-i") == 1
    assert len(set(kinds)) == len(kinds)
    assert (ArtifactKind.AUDIO in kinds) is bool(info.audio)
    assert (ArtifactKind.THUMBNAIL in kinds) is (request.thumbnail_seconds is not None)
    endings = (".mp4", ".jpg", ".mkv", ".flac")
    written = [name for name in planned.arguments if name.endswith(endings)]
    assert written == [output.filename for output in planned.outputs]


@given(films, requests)
def test_ingest_graph_labels_are_defined_and_used_once(
    info: MediaInfo, request: PrepareRequest
) -> None:
    planned = plan(info, request)
    graph = planned.arguments[planned.arguments.index("-filter_complex") + 1]
    labels = [part.partition("]")[0] for part in graph.split("[")[1:]]
    mapped = [argument[1:-1] for argument in planned.arguments if argument.startswith("[")]
    inside = [label for label in labels if not label.startswith("0:")]
    # The graph's own text begins with "[" too.
    used = inside + [label for label in mapped if "]" not in label]
    assert all(used.count(label) == 2 for label in used)


@given(films, requests)
def test_input_restrictions_precede_the_source_in_the_arguments(
    info: MediaInfo, request: PrepareRequest
) -> None:
    arguments = plan(info, request).arguments
    before = arguments[: arguments.index("-i")]
    options = dict(zip(before[::2], before[1::2], strict=True))
    assert options["-f"] == options["-format_whitelist"] == info.format.value
    assert options["-protocol_whitelist"] == "file"
    assert options["-max_pixels"] == "10000000"


@given(films)
def test_ingest_plan_tone_maps_hdr_if_ffmpeg_can(info: MediaInfo) -> None:
    able = " ".join(plan(info, PrepareRequest()).arguments)
    unable = plan(info, PrepareRequest(), can_tonemap=False)
    assert ("tonemap" in able) is bool(info.video.hdr)
    assert "tonemap" not in " ".join(unable.arguments)
    assert any("HDR" in warning for warning in unable.warnings) is bool(info.video.hdr)


@given(sides, sides, st.integers(2, 1080))
def test_fitted_size_is_even_and_never_enlarged(width: int, height: int, target: int) -> None:
    fitted = fit_height(width, height, target)
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert fitted[1] <= max(2, target + target % 2)
    assert fitted[0] <= max(2, width + width % 2)
    assert fitted[1] <= max(2, height + height % 2)


def test_fitted_size_keeps_the_aspect_ratio() -> None:
    assert fit_height(1920, 1080, 480) == (854, 480)
    assert fit_height(1080, 1920, 480) == (270, 480)
    assert fit_height(320, 180, 480) == (320, 180)


@given(films)
def test_sprite_covers_the_video_with_few_tiles(info: MediaInfo) -> None:
    request = PrepareRequest()
    layout = plan_sprite(info, request)
    assert layout.tiles <= request.sprite_tiles_at_most
    assert layout.interval_seconds >= 1
    shown_seconds = Fraction(info.picture_seconds).limit_denominator(1000)
    assert layout.interval_seconds * layout.tiles >= shown_seconds
    assert layout.tile_width * layout.columns <= 8192


@given(films)
def test_audio_track_chosen_is_the_default_or_the_first(info: MediaInfo) -> None:
    chosen = choose_audio(info)
    if chosen is None:
        assert not info.audio
    else:
        assert chosen.is_default or chosen == info.audio[0]


@given(films, requests)
def test_ingest_plan_is_deterministic(info: MediaInfo, request: PrepareRequest) -> None:
    assert plan(info, request) == plan(replace(info), replace(request))
