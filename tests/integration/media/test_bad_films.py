"""Files that are no video, or an incomplete one: a stable code each, and nothing left behind."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.errors import CinemillError, MediaRejected
from cinemill.media.rejections import REJECTION_CODES


def rejection_code(processor: Processor, film: Path) -> str:
    """Return the code with which ``film`` is rejected."""
    with pytest.raises(MediaRejected) as refused:
        processor.process(film)
    assert refused.value.message == REJECTION_CODES[refused.value.code]
    assert list(processor.folder.iterdir()) == []
    return refused.value.code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "media_empty"),
        (b"\0" * 4096, "media_unrecognized"),
        (b"Dear sir,\nplease find enclosed\n", "media_unrecognized"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "media_playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "media_playlist"),
        (b"file '/etc/passwd'\n", "media_playlist"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + b"\0" * 99, "media_unreadable"),
    ],
)
def test_file_that_is_no_video_is_rejected(
    processor: Processor, tmp_path: Path, content: bytes, code: str
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(content)
    assert rejection_code(processor, film) == code


def test_decompression_bomb_is_rejected_before_decoding(
    processor: Processor, tmp_path: Path
) -> None:
    bomb = films.make_bomb(tmp_path / "bomb.mkv", side=7000)
    assert rejection_code(processor, bomb) == "media_too_many_pixels"


def test_video_over_the_limits_is_rejected(processor: Processor, tmp_path: Path) -> None:
    film = films.make_many_tracks(tmp_path / "film.mkv")
    assert rejection_code(processor.with_limits(max_streams=2), film) == "media_too_many_streams"
    assert rejection_code(processor.with_limits(max_duration_seconds=0.5), film) == "media_too_long"
    assert rejection_code(processor.with_limits(max_pixels=1000), film) == "media_too_many_pixels"


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.avi", "film.wmv"])
def test_truncated_video_is_never_accepted(
    processor: Processor, tmp_path: Path, name: str, share: float
) -> None:
    codec = ["-c:v", "wmv2" if name.endswith("wmv") else "mpeg4"]
    first_index = ["-movflags", "faststart"] if name.endswith("mp4") else []
    whole = films.make_film(tmp_path / f"whole-{name}", seconds=2, codec=codec, extra=first_index)
    cut = films.truncate(whole, tmp_path / name, share)
    assert rejection_code(processor, cut) in ("media_truncated", "media_damaged")


def test_video_without_its_index_is_reported_as_truncated(
    processor: Processor, tmp_path: Path
) -> None:
    whole = films.make_film(tmp_path / "whole.mp4")
    assert (
        rejection_code(processor, films.truncate(whole, tmp_path / "cut.mp4", 0.6))
        == "media_truncated"
    )


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_flipped_bits_are_never_accepted_as_intact(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    content = bytearray(films.make_film(tmp_path / f"whole-{name}", seconds=2).read_bytes())
    rng = random.Random(5)
    for _ in range(300):
        content[rng.randrange(2000, len(content))] ^= 1 << rng.randrange(8)
    film = tmp_path / name
    film.write_bytes(content)
    assert rejection_code(processor, film) in REJECTION_CODES


def test_gap_in_the_middle_is_reported_as_damage(processor: Processor, tmp_path: Path) -> None:
    whole = films.make_film(tmp_path / "whole.ts", seconds=2)
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = os.urandom(5000)
    whole.write_bytes(content)
    assert rejection_code(processor, whole) == "media_damaged"


def test_reference_movie_cannot_read_other_files(processor: Processor, tmp_path: Path) -> None:
    """QuickTime may refer to samples in another file."""
    other = films.make_film(tmp_path / "other.mp4", has_sound=False)
    url = f"file://{other}".encode() + b"\0"
    film = films.make_film(tmp_path / "film.mov", has_sound=False)
    content = film.read_bytes()
    at = content.index(b"url \0\0\0\1")
    grown = len(url)
    forged = content[:at] + b"url \0\0\0\0" + url + content[at + 8 :]
    sized = forged[: at - 4] + (12 + grown).to_bytes(4) + forged[at:]
    film.write_bytes(sized)
    with pytest.raises(CinemillError):
        processor.process(film)
