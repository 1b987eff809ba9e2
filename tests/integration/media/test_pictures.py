"""Pictures that somebody sends: decoded upright and small, or refused with a reason."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cinemill.errors import InputRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.jpeg import encode_jpeg, encode_small_jpeg
from cinemill.media.stills.decode import PictureTooLarge, PictureUnreadable, decode_picture
from cinemill.media.stills.limits import MOST_BYTES
from cinemill.media.stills.read import read_picture

Pixels = NDArray[np.uint8]
LIMITS = Limits(max_pixels=4_000_000)


def read(data: bytes) -> Pixels:
    return read_picture(data, limits=LIMITS, max_width=100, max_pixels=100 * 100)


def make_halves(width: int = 300, height: int = 200) -> Pixels:
    """Red above, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 255
    pixels[height // 2 :, :, 2] = 255
    return pixels


def encode_png(pixels: Pixels) -> bytes:
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts = 0
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "rgb24"
    codec.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def claim_size(png: bytes, width: int, height: int) -> bytes:
    """The same PNG, whose header says that it is so large."""
    head = png[12:16] + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]


def turn(jpeg: bytes, orientation: int) -> bytes:
    """The same JPEG with a camera's note of how it was held."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", 1) + entry + b"\x00" * 4
    block = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


@pytest.mark.parametrize("encode", [encode_jpeg, encode_png], ids=["jpeg", "png"])
def test_picture_is_read_smaller_in_its_proportions(encode: object) -> None:
    assert callable(encode)
    pixels = read(encode(make_halves()))
    assert pixels.shape == (67, 100, 3)
    assert pixels[5, 50] == pytest.approx([255, 0, 0], abs=12)
    assert pixels[-5, 50] == pytest.approx([0, 0, 255], abs=12)


RED, BLUE = [255, 0, 0], [0, 0, 255]


@pytest.mark.parametrize(
    ("orientation", "above", "right"),
    [(1, RED, None), (3, BLUE, None), (6, None, RED), (8, None, BLUE)],
    ids=["upright", "upside down", "to the right", "to the left"],
)
def test_picture_that_was_turned_by_its_camera_is_upright(
    orientation: int, above: list[int] | None, right: list[int] | None
) -> None:
    pixels = read(turn(encode_jpeg(make_halves()), orientation))
    height, width = pixels.shape[:2]
    assert (height > width) == (above is None)
    if above is not None:
        assert pixels[5, width // 2] == pytest.approx(above, abs=12)
    if right is not None:
        assert pixels[height // 2, -5] == pytest.approx(right, abs=12)


def test_child_and_parent_decode_alike() -> None:
    data = encode_jpeg(make_halves())
    here = decode_picture(data, max_width=100, max_pixels=10_000, most_pixels=10**6)
    assert np.array_equal(here, read(data))


GOOD = encode_png(make_halves(64, 64))
JPEG = encode_jpeg(make_halves(64, 64))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"GIF89a" + bytes(100),
        b"#EXTM3U\nfile:///etc/passwd",
        JPEG[:20],
        b"\xff\xd8\xff" + bytes(5000),
        GOOD[:60],
        b"\x1a\x45\xdf\xa3" + bytes(100),
    ],
    ids=["empty", "text", "gif", "playlist", "cut jpeg", "zeros", "cut png", "matroska"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureUnreadable) as refused:
        read(data)
    assert refused.value.code == "picture_unreadable"
    assert refused.value.http_status == 422


def test_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    for width, height in ((60_000, 60_000), (2001, 2000)):
        with pytest.raises(InputRejected) as refused:
            read(claim_size(GOOD, width, height))
        assert refused.value.code in ("picture_too_large", "picture_unreadable")


def test_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(PictureTooLarge) as refused:
        read(JPEG + bytes(MOST_BYTES))
    assert (refused.value.code, refused.value.http_status) == ("picture_too_large", 413)


def test_picture_of_noise_becomes_a_small_file() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (960, 960, 3), dtype=np.uint8)
    plain = encode_jpeg(noise)
    small = encode_small_jpeg(noise, 512 * 1024)
    assert len(small) <= 512 * 1024 < len(plain)
    assert encode_small_jpeg(make_halves(), 512 * 1024) == encode_jpeg(make_halves())
    with pytest.raises(ValueError, match="more than"):
        encode_small_jpeg(noise, 1000)


def test_reading_a_picture_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read(JPEG)
    assert [*tmp_path.iterdir()] == []
