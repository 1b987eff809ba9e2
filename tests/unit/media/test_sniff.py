"""Detecting a file's format by its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.probe.sniff import HEAD_BYTES, find_packet_bytes, sniff, sniff_material
from cinemill.media.rejections import OVERLAY_HINT

PNG = b"\x89PNG\r\n\x1a\n"


def make_chunk(kind: bytes, data: bytes = b"\0" * 13) -> bytes:
    return len(data).to_bytes(4) + kind + data + b"\0" * 4


PNG += make_chunk(b"IHDR")
BEGINNINGS = [
    (b"\0\0\0\x20ftypisom", SourceFormat.MP4),
    (b"\0\0\0\x14ftypqt  ", SourceFormat.MP4),
    (b"\0\0\0\x08wide\0\0\0\0mdat", SourceFormat.MP4),
    (b"\x1a\x45\xdf\xa3\x01", SourceFormat.MATROSKA),
    (b"RIFF\0\0\0\0AVI LIST", SourceFormat.AVI),
    (b"FLV\x01\x05", SourceFormat.FLV),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), SourceFormat.ASF),
    ((b"\x47" + b"\0" * 187) * 4, SourceFormat.MPEG_TS),
    ((b"\0\0\0\0\x47" + b"\0" * 187) * 4, SourceFormat.MPEG_TS),
    (b"\0\0\x01\xba\x44", SourceFormat.MPEG_PS),
    (b"OggS\0\x02", SourceFormat.OGG),
    (bytes.fromhex("060e2b34020501010d010201010204"), SourceFormat.MXF),
    (b"GIF89a\x01\x00", SourceFormat.GIF),
    (PNG + make_chunk(b"acTL") + make_chunk(b"IDAT"), SourceFormat.APNG),
]
STILLS = {
    "PNG": PNG + make_chunk(b"IDAT") + make_chunk(b"acTL"),
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "WebP": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10",
    "TIFF": b"II*\0\x08",
    "BMP": b"BM\x36\0\0\0\0\0\0\0\x36",
    "HEIC": b"\0\0\0\x18ftypheic",
    "AVIF": b"\0\0\0\x1cftypavif",
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
}
ANIMATIONS = {
    "WebP": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02",
    "AVIF": b"\0\0\0\x1cftypavis",
    "HEIC": b"\0\0\0\x1cftypmsf1",
}


@pytest.mark.parametrize(("head", "container"), BEGINNINGS)
def test_sniff_recognizes_every_accepted_container(head: bytes, container: SourceFormat) -> None:
    assert sniff(head) is container


def test_sniff_test_covers_every_container() -> None:
    assert {container for _, container in BEGINNINGS} == set(SourceFormat)


def test_sniff_distinguishes_empty_files_from_unknown_bytes() -> None:
    with pytest.raises(MediaRejected) as refused:
        sniff(b"")
    assert refused.value.code == "media_empty"


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n",
        b"\xef\xbb\xbf\r\n #extm3u",
        b"ffconcat version 1.0",
        b"file '/etc/passwd'",
        b"file holiday.mp4\nfile more.mp4\n",
        b"<?xml version='1.0'?><MPD/>",
        b"<?xml version='1.0'?>\n<!-- by hand -->\n<!DOCTYPE smil [<!ENTITY a 'b'>]>\n<smil/>",
        b"v=0\no=-",
        b"[playlist]\nFile1=x",
        b"https://example.org/live.m3u8",
    ],
)
def test_sniff_rejects_playlists_by_their_own_code(head: bytes) -> None:
    with pytest.raises(MediaRejected) as refused:
        sniff(head)
    assert refused.value.code == "media_playlist"


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"<?xml version='1.0'?>\n<!-- drawn --><svg xmlns='http://www.w3.org'/>", "media_still"),
        (b'<svg width="10">', "media_still"),
        (b"<?xml version='1.0'?><rss version='2.0'/>", "media_unrecognized"),
        (b"<?xml version='1.0'?><!-- never closed", "media_unrecognized"),
        (b"file formats: a survey of what is in use", "media_unrecognized"),
        (b"<?xml" * 800, "media_unrecognized"),
    ],
)
def test_text_is_a_playlist_only_if_it_refers_to_files(head: bytes, code: str) -> None:
    with pytest.raises(MediaRejected) as refused:
        sniff(head)
    assert refused.value.code == code


@pytest.mark.parametrize("name", STILLS)
def test_sniff_rejects_a_still_by_its_name(name: str) -> None:
    with pytest.raises(MediaRejected) as refused:
        sniff(STILLS[name] + b"\0" * 100)
    assert refused.value.code == "media_still"
    assert refused.value.message == f"The file is a picture ({name}), not a video."


@pytest.mark.parametrize("name", ANIMATIONS)
def test_sniff_rejects_animations_that_cannot_be_read_by_their_name(name: str) -> None:
    with pytest.raises(MediaRejected) as refused:
        sniff(ANIMATIONS[name] + b"\0" * 100)
    assert refused.value.code == "media_animated"
    assert f"animated {name}" in refused.value.message


def test_stills_that_can_be_overlaid_are_material() -> None:
    found = {name: sniff_material(STILLS[name]) for name in ("PNG", "JPEG", "WebP")}
    assert found == {
        "PNG": MaterialFormat.PNG,
        "JPEG": MaterialFormat.JPEG,
        "WebP": MaterialFormat.WEBP,
    }
    with pytest.raises(MediaRejected) as refused:
        sniff_material(STILLS["TIFF"])
    assert refused.value.code == "media_still"
    assert refused.value.hint == OVERLAY_HINT


@given(st.binary(max_size=HEAD_BYTES))
def test_sniff_recognizes_or_rejects_any_bytes(head: bytes) -> None:
    assert name_outcome(head) in {
        *SourceFormat,
        *MaterialFormat,
        *("media_empty", "media_playlist", "media_unrecognized"),
        *("media_still", "media_animated"),
    }


def name_outcome(head: bytes) -> str:
    try:
        return sniff(head)
    except MediaRejected as refused:
        return refused.code


@given(st.sampled_from([188, 192, 204]), st.integers(4, 9))
def test_transport_stream_packet_size_is_found(size: int, packets: int) -> None:
    assert find_packet_bytes((b"\x47" + b"\1" * (size - 1)) * packets) == (size, 0)
