"""When a video counts as complete."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from cinemill.core.media import AudioStream, MediaInfo, SourceFormat, VideoStream
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.verify.integrity import (
    Decoded,
    check_integrity,
    ends_cleanly,
    is_damaged,
    is_short,
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
    color_primaries="bt709",
    color_transfer="bt709",
    color_space="bt709",
    hdr="",
    frames_from_header=250,
    duration_seconds_from_header=10.0,
)
SOURCE = MediaInfo(SourceFormat.MP4, 1000, 10.0, 0.0, 800, VIDEO)
AUDIO = AudioStream(1, "aac", 2, 48_000, "", is_default=True)
WHOLE = Decoded(frames=250, seconds=10.0)
CLEAN_LOG = LogSummary(video_packets=250, video_frames=250)


def test_integrity_check_accepts_a_complete_video() -> None:
    check_integrity(SOURCE, CLEAN_LOG, WHOLE, has_clean_end=True)


@pytest.mark.parametrize(
    ("tally", "decoded", "has_clean_end", "code"),
    [
        (replace(CLEAN_LOG, ended_early=True), WHOLE, True, "media_truncated"),
        (CLEAN_LOG, WHOLE, False, "media_truncated"),
        (CLEAN_LOG, Decoded(125, 5.0), True, "media_truncated"),
        (CLEAN_LOG, Decoded(0, 0.0), True, "media_truncated"),
        (replace(CLEAN_LOG, decode_errors=1), WHOLE, True, "media_damaged"),
        (replace(CLEAN_LOG, corrupt_packets=1), WHOLE, True, "media_damaged"),
        (replace(CLEAN_LOG, container_errors=1), WHOLE, True, "media_damaged"),
    ],
)
def test_integrity_check_rejects_each_single_sign_of_damage(
    tally: LogSummary, decoded: Decoded, has_clean_end: bool, code: str
) -> None:
    with pytest.raises(MediaRejected) as refused:
        check_integrity(SOURCE, tally, decoded, has_clean_end=has_clean_end)
    assert refused.value.code == code


def test_codec_complaints_count_only_if_frames_were_lost() -> None:
    complaint = replace(CLEAN_LOG, codec_errors=3)
    assert not is_damaged(complaint)
    assert is_damaged(replace(complaint, video_frames=240))
    assert not is_damaged(replace(CLEAN_LOG, video_frames=240))


def test_integrity_check_tolerates_rounding_in_the_header() -> None:
    assert not is_short(SOURCE, Decoded(249, 9.96))
    assert not is_short(SOURCE, Decoded(248, 9.85))


def test_lost_frames_are_detected_at_full_duration() -> None:
    assert is_short(SOURCE, Decoded(200, 10.0))


def test_stream_without_a_declared_duration_is_checked_by_its_end_alone() -> None:
    assert not is_short(replace(SOURCE, format=SourceFormat.MPEG_TS), Decoded(100, 4.0))


def test_audio_may_outlast_the_video_if_only_the_container_declares_a_duration() -> None:
    silent_header = replace(VIDEO, duration_seconds_from_header=0.0, frames_from_header=0)
    film = replace(SOURCE, format=SourceFormat.MATROSKA, video=silent_header)
    assert is_short(film, Decoded(125, 5.0))
    assert not is_short(film, Decoded(125, 5.0, audio_seconds=10.0))


def test_declared_duration_that_may_be_of_undecoded_audio_is_not_evidence() -> None:
    edited = replace(SOURCE, has_edit_list=True, audio=(AUDIO,), duration_seconds_from_header=14.0)
    assert not is_short(edited, WHOLE)
    assert is_short(edited, Decoded(125, 5.0))
    assert is_short(edited, replace(WHOLE, audio_seconds=10.0))


def test_frames_hidden_by_a_short_edit_are_counted_in_the_header() -> None:
    assert not is_short(SOURCE, Decoded(230, 10.0))
    assert is_short(replace(SOURCE, format=SourceFormat.AVI), Decoded(230, 10.0))


@pytest.mark.parametrize("size", [188, 192, 204])
def test_transport_stream_must_end_with_a_whole_packet(tmp_path: Path, size: int) -> None:
    film = tmp_path / "film.ts"
    film.write_bytes((b"\x47" + b"\0" * (size - 1)) * 20)
    assert ends_cleanly(film, SourceFormat.MPEG_TS)
    film.write_bytes(film.read_bytes()[:-1])
    assert not ends_cleanly(film, SourceFormat.MPEG_TS)


def test_ogg_must_end_with_its_last_page(tmp_path: Path) -> None:
    film = tmp_path / "film.ogv"
    page = b"OggS\0" + b"\x04" + b"\0" * 20 + b"\x01\x05" + b"hello"
    film.write_bytes(page)
    assert ends_cleanly(film, SourceFormat.OGG)
    film.write_bytes(page[:-1])
    assert not ends_cleanly(film, SourceFormat.OGG)
    film.write_bytes(page.replace(b"\x04", b"\x00", 1))
    assert not ends_cleanly(film, SourceFormat.OGG)
