"""Formats of audio by their first bytes, which weigh little where a format has no header."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import MaterialFormat
from cinemill.errors import MediaRejected
from cinemill.media.probe.heads.sounds import (
    count_tag_bytes,
    find_late_frames,
    find_sound_format,
    read_declared_sound,
)
from cinemill.media.probe.sniff import sniff, sniff_file

# 128 kbit/s at 44.1 kHz: 417 bytes; 96 kbit/s at 44.1 kHz: 416; 419 bytes of ADTS.
MP3_FRAME = bytes.fromhex("fffb9000") + b"\0" * 413
AC3_FRAME = bytes.fromhex("0b7700004c40") + b"\0" * 410
EAC3_FRAME = bytes.fromhex("0b7700cf7287") + b"\0" * 410
ADTS_FRAME = bytes.fromhex("fff150403460fc") + b"\0" * 412
TAG_BYTES = 6000


def make_tag(size: int = TAG_BYTES) -> bytes:
    sizes = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + sizes + b"\0" * size


FILES = [
    (MP3_FRAME * 3, MaterialFormat.MP3),
    (ADTS_FRAME * 3, MaterialFormat.AAC),
    (AC3_FRAME * 3, MaterialFormat.AC3),
    (EAC3_FRAME * 3, MaterialFormat.EAC3),
    (make_tag() + MP3_FRAME * 3, MaterialFormat.MP3),
    (make_tag() + ADTS_FRAME * 3, MaterialFormat.AAC),
    (make_tag(20) + b"fLaC\0\0\0\x22", MaterialFormat.FLAC),
    (b"RIFF\0\0\0\0WAVEfmt ", MaterialFormat.WAV),
    (b"RF64\xff\xff\xff\xffWAVEds64", MaterialFormat.WAV),
    (bytes.fromhex("726966662e91cf11a5d628db04c10000"), MaterialFormat.W64),
    (b"fLaC\0\0\0\x22", MaterialFormat.FLAC),
    (b"FORM\0\0\0\0AIFCFVER", MaterialFormat.AIFF),
    (b"caff\0\1\0\0desc", MaterialFormat.CAF),
    (b"#!AMR\n\x3c", MaterialFormat.AMR),
]


@pytest.mark.parametrize(("content", "found"), FILES)
def test_audio_is_told_by_its_first_bytes(
    tmp_path: Path, content: bytes, found: MaterialFormat
) -> None:
    (tmp_path / "sound").write_bytes(content)
    assert sniff_file(tmp_path / "sound") is found


@pytest.mark.parametrize(
    "head",
    [
        "ÿþ, a text of two bytes a character".encode("utf-16"),
        MP3_FRAME,
        MP3_FRAME + b"\0" * 417,
        MP3_FRAME[:417] + ADTS_FRAME,
        b"\x0b\x77" + b"\xff" * 500,
        b"\xff\xfb\xf0\x00" * 200,
        b"FORM\0\0\0\0ILBM",
        b"RIFF\0\0\0\0AVI ",
    ],
)
def test_one_mark_alone_is_no_audio(head: bytes) -> None:
    assert find_sound_format(head) is None


LATE = [
    (MP3_FRAME[300:] + MP3_FRAME * 3, MaterialFormat.MP3),
    (bytes(1000) + MP3_FRAME * 3, MaterialFormat.MP3),
    (ADTS_FRAME[100:] + ADTS_FRAME * 3, MaterialFormat.AAC),
    (bytes(1000) + ADTS_FRAME * 3, MaterialFormat.AAC),
    (b"\xff\xfb\x90\x00\x80" * 9 + MP3_FRAME * 3, MaterialFormat.MP3),
]


@pytest.mark.parametrize(("content", "found"), LATE)
def test_audio_that_begins_within_a_frame_is_recognized(
    content: bytes, found: MaterialFormat
) -> None:
    assert sniff(content) is found


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + bytes(40) + MP3_FRAME * 3,  # an archive of it
        bytes(1000) + MP3_FRAME + bytes(417),
        bytes(1000) + MP3_FRAME + bytes.fromhex("fffb9400") + bytes(413),  # another rate
        bytes(1000) + MP3_FRAME[:417] + ADTS_FRAME,
    ],
)
def test_marks_far_from_the_beginning_are_no_audio_by_themselves(content: bytes) -> None:
    with pytest.raises(MediaRejected):
        sniff(content)


@given(st.binary(min_size=4096, max_size=4096))
def test_looking_for_late_frames_never_fails(content: bytes) -> None:
    find_late_frames(content)


@given(st.integers(0, (1 << 28) - 1), st.booleans())
def test_length_of_a_tag(size: int, has_footer: bool) -> None:
    sizes = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"ID3\x04\0" + bytes([0x10 if has_footer else 0]) + sizes
    assert count_tag_bytes(head) == size + (20 if has_footer else 10)


@pytest.mark.parametrize("tag", [b"", make_tag()])
def test_declared_length_of_mpeg_audio(tmp_path: Path, tag: bytes) -> None:
    frame = MP3_FRAME[:36] + b"Xing\0\0\0\x01" + (1000).to_bytes(4) + MP3_FRAME[48:]
    path = tmp_path / "sound.mp3"
    path.write_bytes(tag + frame + MP3_FRAME * 2)
    assert read_declared_sound(path).seconds == pytest.approx(1000 * 1152 / 44_100)
    path.write_bytes(tag + MP3_FRAME * 3)
    assert read_declared_sound(path).seconds == 0


def test_what_an_encoder_added_is_not_counted(tmp_path: Path) -> None:
    """LAME adds 576 samples before and 1000 after, and decoders cut off 529 of these before."""
    delays = (576 << 12 | 1000).to_bytes(3)
    tag = b"Info\0\0\0\1" + (100).to_bytes(4) + b"LAME3.100" + b"\0" * 12 + delays
    (tmp_path / "tagged.mp3").write_bytes(MP3_FRAME[:36] + tag + MP3_FRAME[36 + len(tag) :])
    declared = read_declared_sound(tmp_path / "tagged.mp3")
    assert declared.seconds == pytest.approx(100 * 1152 / 44_100)
    assert declared.hidden_seconds == pytest.approx((576 + 1000) / 44_100)
