"""The rungs that a video needs, and the playlists that name them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.media.test_integrity import SOURCE

from cinemill.capabilities.streaming.encode_plan import describe_channels
from cinemill.capabilities.streaming.ladder import (
    DASH_NAMESPACE,
    NEXT_RUNG_MAX_SHARE,
    MediaSegment,
    Rung,
    Stream,
    as_h264_bps,
    choose_rungs,
    segment_frames,
    write_manifest,
    write_master_playlist,
    write_media,
    write_media_playlist,
)
from cinemill.core.media import SubtitleStream


def sizes(rungs: tuple[Rung, ...]) -> list[tuple[int, int]]:
    return [(rung.width, rung.height) for rung in rungs]


def test_ladder_of_a_good_video_has_every_rung_up_to_its_size() -> None:
    rungs = choose_rungs(1280, 720, Fraction(25), 0)
    assert sizes(rungs) == [(1280, 720), (854, 480), (640, 360), (426, 240)]


def test_ladder_of_a_low_bitrate_video_has_few_rungs() -> None:
    assert sizes(choose_rungs(1920, 1080, Fraction(25), 600_000)) == [(1920, 1080), (426, 240)]


def test_ladder_accounts_for_efficient_source_codecs() -> None:
    bps = 1_500_000
    as_h264, as_hevc = (
        choose_rungs(1920, 1080, Fraction(25), as_h264_bps(codec, bps))
        for codec in ("h264", "hevc")
    )
    assert sizes(as_h264) == [(1920, 1080), (640, 360), (426, 240)]
    assert sizes(as_hevc) == [(1920, 1080), (854, 480), (640, 360), (426, 240)]
    assert as_hevc[0].bitrate_bps == 2 * bps
    assert as_h264_bps("mpeg2video", bps) < bps
    assert as_h264_bps("av1", 0) == 0


def test_ladder_keeps_portrait_orientation() -> None:
    assert sizes(choose_rungs(720, 1280, Fraction(25), 0))[1] == (480, 854)


def test_ladder_bitrates_rise_with_the_frame_rate() -> None:
    slow, fast = (choose_rungs(1280, 720, Fraction(fps), 0)[0] for fps in (30, 60))
    assert fast.bitrate_bps == 1.5 * slow.bitrate_bps


sides = st.integers(2, 8000)
rates = st.fractions(1, 240, max_denominator=1001)


@given(sides, sides, rates, st.integers(0, 10**8))
def test_ladder_has_no_enlarged_or_useless_rungs(
    width: int, height: int, fps: Fraction, source_bps: int
) -> None:
    rungs = choose_rungs(width, height, fps, source_bps)
    assert rungs
    for rung in rungs:
        assert rung.width <= width + 1
        assert rung.height <= height + 1
        assert rung.width % 2 == rung.height % 2 == 0
        assert not source_bps or rung.bitrate_bps <= source_bps
    for above, below in pairwise(rungs):
        assert below.bitrate_bps <= above.bitrate_bps * NEXT_RUNG_MAX_SHARE
        assert min(below.width, below.height) < min(above.width, above.height)


@given(rates)
def test_segment_has_about_four_seconds_of_whole_frames(fps: Fraction) -> None:
    frames = segment_frames(fps)
    assert frames >= 1
    assert abs(frames / fps - 4) <= 1 / fps


SEGMENTS = (MediaSegment(120, 1000, 4.004), MediaSegment(1120, 500, 2.002))
VIDEO = Stream("720p.mp4", "avc1.64001f", 120, 76, SEGMENTS, 1280, 720, Fraction(30000, 1001))
AUDIO = Stream(
    *("sound-1.mp4", "mp4a.40.2", 100, 76, SEGMENTS),
    sample_rate_hz=48000,
    channels=2,
    language="deu",
    name="Ton",
    is_main=True,
)


def test_media_playlist_names_byte_ranges_of_its_file() -> None:
    lines = write_media_playlist(VIDEO).splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXT-X-TARGETDURATION:4" in lines
    assert '#EXT-X-MAP:URI="720p.mp4",BYTERANGE="120@0"' in lines
    assert lines[-7:] == [
        "#EXTINF:4.004000,",
        "#EXT-X-BYTERANGE:1000@120",
        "720p.mp4",
        "#EXTINF:2.002000,",
        "#EXT-X-BYTERANGE:500@1120",
        "720p.mp4",
        "#EXT-X-ENDLIST",
    ]


def test_master_playlist_names_rungs_and_audio_tracks() -> None:
    text = write_master_playlist([VIDEO], [AUDIO])
    assert 'LANGUAGE="deu",DEFAULT=YES' in text
    assert 'CODECS="avc1.64001f,mp4a.40.2",AUDIO="sound"\n720p.m3u8\n' in text
    assert "RESOLUTION=1280x720,FRAME-RATE=29.970" in text
    assert f"BANDWIDTH={2 * VIDEO.peak_bps}," in text


def test_playlist_says_what_audio_tracks_are_for() -> None:
    tracks = [
        replace(AUDIO, name="Director", roles=("comment",), is_main=False),
        AUDIO,
        replace(AUDIO, name="For the blind", roles=("visual_impaired",), is_main=False),
    ]
    lines = write_master_playlist([VIDEO], tracks).splitlines()
    director, main, described = [line for line in lines if line.startswith("#EXT-X-MEDIA")]
    assert 'NAME="Director"' in director
    assert "DEFAULT=NO,AUTOSELECT=NO" in director
    assert "DEFAULT=YES,AUTOSELECT=YES" in main
    assert "DEFAULT=NO,AUTOSELECT=YES" in described
    assert 'CHARACTERISTICS="public.accessibility.describes-video"' in described


def test_manifest_says_what_audio_tracks_are_for() -> None:
    tracks = [
        replace(AUDIO, name="<Regie> & Ton", roles=("comment",), is_main=False),
        replace(AUDIO, name="Blind", roles=("visual_impaired",), is_main=False),
        AUDIO,
    ]
    root = ET.fromstring(write_manifest([VIDEO], tracks))
    names = {"d": DASH_NAMESPACE}
    sets = root.findall(".//d:AdaptationSet[@contentType='audio']", names)
    assert [one.findtext("d:Label", namespaces=names) for one in sets] == [
        *("<Regie> & Ton", "Blind", "Ton")
    ]
    roles = [one.find("d:Role", names) for one in sets]
    assert [role.attrib["value"] for role in roles if role is not None] == [
        *("commentary", "alternate", "main")
    ]
    purpose = sets[1].find("d:Accessibility", names)
    assert purpose is not None
    assert purpose.attrib["value"] == "1"


def make_stream(*segments: tuple[int, float]) -> Stream:
    return replace(VIDEO, segments=tuple(MediaSegment(0, *segment) for segment in segments))


@pytest.mark.parametrize(
    ("segments", "peak_bps"),
    [
        ([(4000, 4.0), (2000, 4.0)], 8000),
        ([(4000, 4.0), (4000, 4.0), (1000, 0.04)], 9901),  # with its neighbor: 5000 in 4.04 s
        ([(4000, 4.0), (4000, 4.0), (3000, 2.0)], 12000),  # long enough to count alone
        ([(300, 0.2), (4000, 4.0)], 8191),
        ([(1000, 0.1)], 80000),  # nothing is long enough: the video's own
    ],
)
def test_peak_bitrate_counts_a_short_last_segment_with_its_neighbor(
    segments: list[tuple[int, float]], peak_bps: int
) -> None:
    assert make_stream(*segments).peak_bps == peak_bps


def test_master_playlist_without_audio_has_no_audio_group() -> None:
    assert "AUDIO" not in write_master_playlist([VIDEO], [])


@pytest.mark.parametrize(("stream", "kind"), [(VIDEO, "video"), (AUDIO, "audio")])
def test_dash_manifest_names_the_same_files(stream: Stream, kind: str) -> None:
    root = ET.fromstring(write_manifest([VIDEO], [AUDIO]))
    names = {"d": DASH_NAMESPACE}
    found = root.find(f".//d:AdaptationSet[@contentType='{kind}']/d:Representation", names)
    assert found is not None
    assert found.findtext("d:BaseURL", namespaces=names) == stream.filename
    base = found.find("d:SegmentBase", names)
    assert base is not None
    assert base.attrib["indexRange"] == f"{stream.head_bytes - 76}-{stream.head_bytes - 1}"
    assert root.attrib["mediaPresentationDuration"] == "PT6.006S"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ()),
        (1, ("the subtitle track was left out: a ladder has pictures and sound alone",)),
        (2, ("2 subtitle tracks were left out: a ladder has pictures and sound alone",)),
    ],
)
def test_subtitles_that_are_left_out_are_said(count: int, words: tuple[str, ...]) -> None:
    texts = tuple(
        SubtitleStream(number, "subrip", "eng", is_default=False) for number in range(count)
    )
    assert describe_channels(replace(SOURCE, audio=(), subtitles=texts)) == words


@pytest.mark.parametrize("role", ["comment", "clean_effects", "karaoke"])
def test_what_is_no_sound_of_a_film_is_not_started_by_players(role: str) -> None:
    assert "DEFAULT=NO,AUTOSELECT=NO" in write_media(replace(AUDIO, roles=(role,), is_main=False))
