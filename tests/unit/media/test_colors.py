"""What a source's colors are, and the filters from there to an output's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import NO_PICTURE
from cinemill.media.color.convert import choose_playable, declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.color.spaces import (
    BT709,
    JFIF,
    MATRICES,
    PRIMARIES,
    TRANSFERS,
    UNKNOWN,
    ColorSpace,
)

BLANK = replace(NO_PICTURE, codec="h264", pixel_format="yuv420p")
BT601_PAL = ColorSpace("bt470bg", "bt470bg", "smpte170m", "tv")
BT601_NTSC = ColorSpace("smpte170m", "smpte170m", "smpte170m", "tv")
BT2020 = ColorSpace("bt2020nc", "bt2020", "bt2020-10", "tv")
PQ = replace(BT2020, transfer="smpte2084")
_PLAYED = {"bt709", "smpte170m", "bt470bg", "bt2020nc"}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), BT709),
        ((1280, 720), BT709),
        ((1280, 534), BT709),  # a wide film
        ((576, 1024), BT709),  # upright
        ((960, 540), BT601_NTSC),
        ((720, 480), BT601_NTSC),
        ((720, 576), BT601_PAL),
        ((352, 288), BT601_PAL),
        ((320, 180), BT601_NTSC),
    ],
)
def test_colors_that_are_not_stated_follow_from_the_size(
    size: tuple[int, int], expected: ColorSpace
) -> None:
    assert find_color(replace(BLANK, width=size[0], height=size[1])) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"color_space": "bt709"}, BT709),
        ({"color_primaries": "bt709"}, BT709),
        ({"color_space": "bt470bg"}, replace(BT601_PAL, primaries="smpte170m")),
        ({"color_primaries": "bt2020"}, BT2020),
        ({"color_space": "bt2020nc"}, BT2020),
        ({"color_transfer": "smpte2084", "hdr": "pq"}, PQ),
        ({"color_range": "pc"}, replace(BT601_NTSC, range="pc")),
        ({"pixel_format": "yuvj420p", "color_range": "tv"}, replace(BT601_NTSC, range="pc")),
        ({"color_space": "gbr"}, BT601_NTSC),
        ({"color_space": "smpte2085"}, BT601_NTSC),
        ({"color_space": "ictcp"}, BT601_NTSC),  # only of HDR
        ({"color_space": "ictcp", "color_transfer": "smpte2084"}, replace(PQ, matrix="ictcp")),
        ({"color_space": "bt2020c", "color_transfer": "smpte2084"}, PQ),
        ({"codec": "mjpeg"}, ColorSpace("bt470bg", "bt709", "bt709", "pc")),
        ({"codec": "webp"}, ColorSpace("bt470bg", "bt709", "bt709", "tv")),
        ({"codec": "png", "pixel_format": "gray"}, ColorSpace("bt470bg", "bt709", "bt709", "pc")),
        ({"pixel_format": "gray"}, BT601_NTSC),
    ],
)
def test_what_is_stated_decides_about_the_rest(
    stated: dict[str, Any], expected: ColorSpace
) -> None:
    assert find_color(replace(BLANK, width=320, height=180, **stated)) == expected


@pytest.mark.parametrize(
    "pixel_format",
    ["rgb24", "bgr0", "0rgb", "rgba", "gbrp10le", "gbrap16be", "pal8", "x2rgb10le", "rgb48be"],
)
def test_rgb_has_full_range_whatever_it_states(pixel_format: str) -> None:
    stated = replace(
        BLANK, pixel_format=pixel_format, color_space="bt709", color_range="tv", height=1080
    )
    assert find_color(stated) == ColorSpace("gbr", "bt709", "bt709", "pc")


names = [st.sampled_from([*table.values(), UNKNOWN]) for table in (MATRICES, PRIMARIES, TRANSFERS)]
sources = st.builds(
    find_color,
    st.builds(
        lambda matrix, primaries, transfer, span, pixels, height: replace(
            BLANK,
            color_space=matrix,
            color_primaries=primaries,
            color_transfer=transfer,
            color_range=span,
            pixel_format=pixels,
            width=16 * height // 9,
            height=height,
        ),
        *names,
        st.sampled_from(["tv", "pc", UNKNOWN]),
        st.sampled_from(["yuv420p", "yuvj420p", "yuv422p10le", "gbrp", "gray", "yuva444p12le"]),
        st.integers(2, 2160),
    ),
)


@given(sources, st.booleans())
def test_whatever_is_stated_a_video_made_of_it_states_colors_that_players_know(
    source: ColorSpace, keeps_hdr: bool
) -> None:
    made = choose_playable(source, keeps_hdr=keeps_hdr)
    assert made.matrix in _PLAYED
    assert made.range == "tv"
    assert UNKNOWN not in (made.primaries, made.transfer)
    assert made.is_hdr is (source.is_hdr and keeps_hdr)


@given(sources, st.sampled_from([BT709, JFIF]), st.booleans())
def test_filters_end_with_what_the_output_states_and_its_format(
    source: ColorSpace, target: ColorSpace, can_tonemap: bool
) -> None:
    filters = scale_to((160, 90), source, target, "yuv420p", can_tonemap=can_tonemap)
    assert filters[-2:] == [declare(target), "format=yuv420p"]
    assert filters[0].startswith("scale=160:90:flags=bicubic")
    assert can_tonemap or not any("zscale" in one for one in filters)
    # FFmpeg's scale fails on a matrix that it does not know.
    assert "colorspace=ycgco" not in declare(source)


def test_colors_that_are_alike_are_not_converted() -> None:
    same = scale_to((160, 90), BT601_PAL, BT601_PAL, "yuv420p", can_tonemap=True)
    assert "accurate_rnd" not in same[0]
    near = scale_to((160, 90), BT601_PAL, BT709, "yuv420p", can_tonemap=True)
    assert not any("zscale" in one for one in near)
    wide = scale_to((160, 90), BT2020, BT709, "yuv420p", can_tonemap=True)
    assert any("pin=bt2020" in one for one in wide)


def test_transparency_is_kept_through_every_conversion() -> None:
    for source in (BT601_NTSC, BT2020, PQ, ColorSpace("gbr", "smpte432", "bt709", "pc")):
        filters = scale_to((16, 16), source, BT709, "yuva420p", can_tonemap=True)
        formats = [one for one in filters if one.startswith("format=")]
        assert all("yuva" in one or "gbrap" in one for one in formats)
