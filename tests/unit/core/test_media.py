"""What a probe found goes to a row as JSON and comes back the same."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import AudioStream, MediaInfo, Scan, SourceFormat, VideoStream
from cinemill.media.rejections import REJECTION_CODES

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
counts = st.integers(0, 2**40)
durations = st.floats(0, 1e6, allow_nan=False)
rates = st.fractions(0, 1000, max_denominator=1001)

video_streams = st.builds(
    VideoStream,
    index=st.integers(0, 40),
    codec=words,
    width=counts,
    height=counts,
    display_width=counts,
    display_height=counts,
    fps=rates,
    is_variable_rate=st.booleans(),
    rotation_degrees=st.sampled_from([0, 90, 180, 270]),
    pixel_format=words,
    bit_depth=st.sampled_from([8, 10, 12]),
    is_interlaced=st.booleans(),
    color_primaries=words,
    color_transfer=words,
    color_space=words,
    hdr=st.sampled_from(["", "hdr10", "hlg", "pq"]),
    frames_from_header=counts,
    duration_seconds_from_header=durations,
)
audio_streams = st.builds(
    AudioStream,
    index=st.integers(0, 40),
    codec=words,
    channels=st.integers(1, 16),
    sample_rate_hz=counts,
    language=words,
    is_default=st.booleans(),
    layout=words,
    places=st.lists(words, max_size=3).map(tuple),
    title=words,
    roles=st.lists(words, max_size=3).map(tuple),
)
media_infos = st.builds(
    MediaInfo,
    format=st.sampled_from(SourceFormat),
    size_bytes=counts,
    duration_seconds_from_header=durations,
    start_seconds=st.floats(-1e6, 1e6, allow_nan=False),
    bitrate_bps=counts,
    video=video_streams,
    audio=st.lists(audio_streams, max_size=3).map(tuple),
    has_edit_list=st.booleans(),
    other_streams=st.integers(0, 40),
    warnings=st.lists(words, max_size=3).map(tuple),
    clock_start_seconds=st.floats(-1e6, 1e6, allow_nan=False),
)


@given(media_infos)
def test_probe_survives_json(media: MediaInfo) -> None:
    stored = json.loads(json.dumps(media.to_json(), allow_nan=False))
    assert MediaInfo.from_json(stored) == media


@given(media_infos)
def test_films_of_earlier_versions_are_probed_anew(media: MediaInfo) -> None:
    document = media.to_json()
    for added in ("scan", "color_range", "last_frame_seconds", "has_alpha", "alpha_decoder"):
        del document["video"][added]
    assert MediaInfo.from_json(document).is_outdated
    current = replace(media, video=replace(media.video, scan=Scan.PROGRESSIVE))
    assert not current.is_outdated


@given(media_infos)
def test_frame_rate_is_stored_as_a_fraction_that_people_can_read(media: MediaInfo) -> None:
    assert Fraction(media.to_json()["video"]["fps"]) == media.video.fps


def test_every_rejection_code_has_a_sentence() -> None:
    for code, sentence in REJECTION_CODES.items():
        assert code.startswith("media_")
        assert sentence.endswith(".")
