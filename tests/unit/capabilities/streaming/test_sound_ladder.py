"""Renditions of sound alone: bitrates, and the playlist that players open."""

from __future__ import annotations

import pytest

from cinemill.capabilities.streaming.encode_ladder import tell_why_not_copied
from cinemill.capabilities.streaming.ladder import MediaSegment, Stream
from cinemill.capabilities.streaming.sound_ladder import (
    choose_sound_rungs,
    write_sound_master_playlist,
)
from cinemill.core.media import NO_PICTURE, MaterialFormat, MediaInfo


def test_sound_alone_is_not_called_a_video() -> None:
    song = MediaInfo(MaterialFormat.MP3, 1000, 10.0, 0.0, 128_000, NO_PICTURE)
    assert tell_why_not_copied(song).startswith("It is sound alone")


@pytest.mark.parametrize(
    ("source_bps", "tracks", "rungs"),
    [
        (0, 1, (256_000, 128_000, 64_000)),
        (1_411_000, 1, (256_000, 128_000, 64_000)),
        (256_000, 1, (256_000, 128_000, 64_000)),
        (96_000, 1, (128_000, 64_000)),
        (128_000, 2, (64_000,)),
        (24_000, 1, (64_000,)),
    ],
)
def test_best_rung_is_the_least_that_is_no_worse(
    source_bps: int, tracks: int, rungs: tuple[int, ...]
) -> None:
    assert choose_sound_rungs(source_bps, tracks) == rungs


def make_stream(
    name: str, size_bytes: int, language: str = "und", *, is_main: bool = False
) -> Stream:
    segments = (MediaSegment(800, size_bytes, 4.0),)
    return Stream(
        name, "mp4a.40.2", 800, 76, segments, channels=2, language=language, is_main=is_main
    )


def test_variants_of_one_track_are_files() -> None:
    track = [make_stream("sound-1-128k.mp4", 64_000), make_stream("sound-1-64k.mp4", 32_000)]
    assert write_sound_master_playlist([track]).splitlines()[3:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=128000,CODECS="mp4a.40.2"',
        "sound-1-128k.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=64000,AVERAGE-BANDWIDTH=64000,CODECS="mp4a.40.2"',
        "sound-1-64k.m3u8",
    ]


def test_each_variant_of_several_tracks_has_all_of_them() -> None:
    tracks = [
        [
            make_stream(f"sound-{number}-{kbps}k.mp4", 500 * kbps, code, is_main=number == 2)
            for kbps in (128, 64)
        ]
        for number, code in ((1, "eng"), (2, "deu"))
    ]
    lines = write_sound_master_playlist(tracks).splitlines()
    groups = [line for line in lines if line.startswith("#EXT-X-MEDIA")]
    assert [f'GROUP-ID="sound-{rung}"' in line for rung, line in zip("1122", groups, strict=True)]
    assert [line.rpartition("URI=")[2] for line in groups] == [
        *('"sound-1-128k.m3u8"', '"sound-2-128k.m3u8"'),
        *('"sound-1-64k.m3u8"', '"sound-2-64k.m3u8"'),
    ]
    assert sum("DEFAULT=YES" in line for line in groups) == 2
    assert [line.rpartition(",")[2] for line in lines if "STREAM-INF" in line] == [
        'AUDIO="sound-1"',
        'AUDIO="sound-2"',
    ]
