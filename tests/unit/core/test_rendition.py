"""Options as scripts write them, and what they mean or why they cannot be."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.encoding.rendition import (
    CRF_RANGES,
    HIGHEST_VMAF,
    LARGEST_FPS,
    PICTURES,
    PRESETS,
    SOUNDS,
    Container,
    Purpose,
    RenditionRequest,
    SoundChoice,
    VideoCodec,
    read_rendition,
)
from cinemill.errors import InputRejected


def test_nothing_asked_for_is_h264_in_mp4_for_the_web() -> None:
    request = read_rendition({})
    assert (request.codec, request.container) == (VideoCodec.H264, Container.MP4)
    assert request.purpose is Purpose.WEB


def test_options_of_the_contract() -> None:
    options = {
        "codec": "h264",
        "container": "mp4",
        "width": 1280,
        "height": 720,
        "bitrate": "5M",
    }
    assert read_rendition(options) == RenditionRequest(
        codec=VideoCodec.H264,
        container=Container.MP4,
        width=1280,
        height=720,
        bitrate_bps=5_000_000,
    )


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
def test_webm_holds_neither_of_these(codec: VideoCodec) -> None:
    with pytest.raises(InputRejected, match="webm cannot hold") as refused:
        read_rendition({"codec": codec.value, "container": "webm"})
    assert refused.value.code == "combination_impossible"
    assert "av1, vp9" in refused.value.hint


def test_webm_holds_no_aac() -> None:
    with pytest.raises(InputRejected, match="webm cannot hold aac") as refused:
        read_rendition({"codec": "vp9", "container": "webm", "audio": "aac"})
    assert refused.value.code == "combination_impossible"


def test_bitrate_and_a_crf_at_once_are_refused() -> None:
    with pytest.raises(InputRejected) as refused:
        read_rendition({"bitrate": "1M", "crf": 20})
    assert refused.value.code == "combination_impossible"


@pytest.mark.parametrize(
    ("text", "bps"),
    [("5M", 5_000_000), ("800k", 800_000), ("2.5m", 2_500_000), (64000, 64_000), ("9000", 9000)],
)
def test_bitrates_as_people_write_them(text: str | int, bps: int) -> None:
    assert read_rendition({"bitrate": text}).bitrate_bps == bps


@pytest.mark.parametrize(
    ("text", "fps"),
    [
        (25, Fraction(25)),
        ("23.976", Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
        (60.0, Fraction(60)),
    ],
)
def test_rates_of_frames_as_people_write_them(text: object, fps: Fraction) -> None:
    assert read_rendition({"fps": text}).fps == fps


@pytest.mark.parametrize(
    "options",
    [
        {"codec": "mpeg2"},
        {"container": "avi"},
        {"preset": "cinema"},
        {"audio": "mp3"},
        {"width": 0},
        {"width": -2},
        {"height": "tall"},
        {"height": 20_000},
        {"width": True},
        {"width": 12.5},
        {"bitrate": "fast"},
        {"bitrate": "1k"},
        {"bitrate": True},
        {"bitrate": "9999M"},
        {"bitrate": "1e6"},
        {"crf": 52},
        {"crf": -1},
        {"crf": "20"},
        {"fps": 0},
        {"fps": -5},
        {"fps": 1000},
        {"fps": "1/0"},
        {"fps": float("nan")},
        {"fps": float("inf")},
        {"fps": True},
        {"vmaf_min": 0},
        {"vmaf_min": 100},
        {"vmaf_min": -1},
        {"vmaf_min": "93"},
        {"vmaf_min": True},
        {"vmaf_min": float("nan")},
        {"vmaf_min": 10**400},
        {"colour": "red"},
    ],
    ids=str,
)
def test_wish_that_makes_no_sense_is_refused_with_a_sentence(options: dict[str, Any]) -> None:
    with pytest.raises(InputRejected) as refused:
        read_rendition(options)
    assert refused.value.code == "params_invalid"
    assert refused.value.message.endswith((".", "for h264."))
    assert next(iter(options)) in refused.value.message


@pytest.mark.parametrize("container", Container)
def test_every_container_holds_something(container: Container) -> None:
    assert PICTURES[container]
    assert SoundChoice.AUTO in SOUNDS[container]


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("codec", VideoCodec)
def test_preset_says_of_every_codec_how_good_and_how_hard(
    purpose: Purpose, codec: VideoCodec
) -> None:
    least, most = CRF_RANGES[codec]
    assert least <= PRESETS[purpose].crf[codec] <= most
    assert PRESETS[purpose].effort[codec]


legal_requests = st.builds(
    RenditionRequest,
    codec=st.sampled_from(VideoCodec),
    container=st.just(Container.MKV),
    width=st.none() | st.integers(2, 16_384),
    height=st.none() | st.integers(2, 16_384),
    bitrate_bps=st.none() | st.integers(8_000, 2_000_000_000),
    fps=st.none() | st.integers(1, LARGEST_FPS).map(Fraction),
    sound=st.sampled_from(SoundChoice),
    sound_bitrate_bps=st.none() | st.integers(8_000, 1_000_000),
    purpose=st.sampled_from(Purpose),
    vmaf_min=st.none() | st.floats(0, HIGHEST_VMAF, exclude_min=True, exclude_max=True),
)


@given(legal_requests)
def test_request_is_read_back_from_its_options(request: RenditionRequest) -> None:
    assert read_rendition(request.to_json()) == request


@given(st.dictionaries(st.sampled_from(["codec", "width", "fps", "bitrate", "crf"]), st.text()))
def test_any_words_are_read_or_refused(options: dict[str, str]) -> None:
    with suppress(InputRejected):
        read_rendition(options)
