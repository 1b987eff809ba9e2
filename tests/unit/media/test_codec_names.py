"""Names of codecs as browsers ask for them, made of the records in real files."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.media.probe.codec_names import name_video_codec


def name(codec: str, record: str = "", **facts: Any) -> str:
    values: dict[str, Any] = {
        "tag": "",
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "longest_side": 1920,
        **facts,
    }
    return name_video_codec(codec, bytes.fromhex(record), **values)


@pytest.mark.parametrize(
    ("codec", "record", "tag", "expected"),
    [
        ("h264", "0164001fffe1", "avc1", "avc1.64001f"),
        ("h264", "0142c01effe1", "avc1", "avc1.42c01e"),  # constrained baseline
        ("h264", "016e0028ffe1", "avc1", "avc1.6e0028"),  # ten bits, which no browser plays
        ("hevc", "01016000000090000000000078f0", "hvc1", "hvc1.1.6.L120.90"),
        ("hevc", "01022000000090000000000099f0", "hev1", "hev1.2.4.L153.90"),  # ten bits
        ("hevc", "01216000000000000000000096f0", "hvc1", "hvc1.1.6.H150"),  # high tier
        ("hevc", "01016000000090000000000078f0", "HEVC", "hvc1.1.6.L120.90"),  # Matroska
        ("av1", "81080c00", "av01", "av01.0.08M.08"),
        ("av1", "81084c00", "av01", "av01.0.08M.10"),
        ("av1", "814d6c00", "av01", "av01.2.13M.12"),
    ],
)
def test_name_has_the_profile_and_the_level_of_the_record(
    codec: str, record: str, tag: str, expected: str
) -> None:
    assert name(codec, record, tag=tag) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "vp09.00.41.08"),
        ({"longest_side": 3840}, "vp09.00.51.08"),
        ({"longest_side": 7680}, "vp09.00.62.08"),
        ({"pixel_format": "yuv444p"}, "vp09.01.41.08"),
        ({"pixel_format": "yuv420p10le", "bit_depth": 10}, "vp09.02.41.10"),
        ({"pixel_format": "yuv422p12le", "bit_depth": 12}, "vp09.03.41.12"),
        ({"pixel_format": "yuva420p"}, "vp09.00.41.08"),
    ],
)
def test_vp9_has_no_record_and_is_named_by_its_pixels(facts: dict[str, Any], expected: str) -> None:
    assert name("vp9", **facts) == expected


@pytest.mark.parametrize(
    ("codec", "record"),
    [
        ("h264", ""),
        ("h264", "0000000167640028"),  # Annex B, as in transport streams
        ("h264", "0164"),
        ("hevc", "0101600000009000"),
        ("hevc", "00000001400101"),
        ("av1", ""),
        ("av1", "0a0b0000"),
        ("prores", "01020304"),
        ("mpeg2video", ""),
    ],
)
def test_what_no_browser_plays_or_is_damaged_has_no_name(codec: str, record: str) -> None:
    assert name(codec, record) == ""


def test_vp8_needs_no_profile() -> None:
    assert name("vp8") == "vp8"
