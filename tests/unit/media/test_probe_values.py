"""What a video is, by numbers that were read of it: shape of pixels, interlacing, whole files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import Scan
from cinemill.media.probe.bounded_file import BoundedFile
from cinemill.media.probe.fields import classify
from cinemill.media.probe.matroska import is_complete, read_size
from cinemill.media.probe.streams import choose_aspect, display_size

EBML = b"\x1a\x45\xdf\xa3\x84abcd"
SEGMENT = b"\x18\x53\x80\x67"
WIDE, ANAMORPHIC = Fraction(3, 2), Fraction(4, 3)


@pytest.mark.parametrize(
    ("stated", "coded", "holds"),
    [
        (None, None, Fraction(1)),
        (ANAMORPHIC, None, ANAMORPHIC),
        (None, ANAMORPHIC, ANAMORPHIC),
        (WIDE, ANAMORPHIC, WIDE),
        (Fraction(1), ANAMORPHIC, Fraction(1)),
        (Fraction(0), ANAMORPHIC, ANAMORPHIC),
        (Fraction(1000), ANAMORPHIC, ANAMORPHIC),
        (Fraction(1, 1000), None, Fraction(1)),
    ],
)
def test_aspect_of_the_container_holds_unless_it_states_none(
    stated: Fraction | None, coded: Fraction | None, holds: Fraction
) -> None:
    assert choose_aspect(stated, coded) == holds


@given(
    st.integers(1, 8192),
    st.integers(1, 8192),
    st.fractions(Fraction(1, 20), 20, max_denominator=1000),
)
def test_displayed_shape_is_right_within_a_pixel(width: int, height: int, aspect: Fraction) -> None:
    shown = display_size(width, height, aspect, 0)
    assert shown[1] == height
    assert abs(shown[0] - width * aspect) < 1
    assert display_size(width, height, aspect, 90) == shown[::-1]


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([], Scan.PROGRESSIVE),
        ([False, False], Scan.PROGRESSIVE),
        ([True], Scan.INTERLACED),
        ([False, True, True], Scan.MIXED),
        ([True, True, False], Scan.MIXED),
    ],
)
def test_scan_is_what_the_frames_are(frames: list[bool], kind: Scan) -> None:
    assert classify(frames) is kind


@pytest.mark.parametrize(
    ("content", "complete"),
    [
        (b"", False),
        (EBML[:3], False),
        (EBML, False),
        (EBML + SEGMENT, False),
        (EBML + SEGMENT + b"\x83xyz", True),
        (EBML + SEGMENT + b"\x83xyz and more", True),
        (EBML + SEGMENT + b"\x84xyz", False),
        (EBML + SEGMENT + b"\x01\x00\x00\x00\x00\x00\x00\x03xyz", True),
        # Recorded live: its size is not known.
        (EBML + SEGMENT + b"\xffxyz", False),
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7 + b"xyz", False),
        (EBML + SEGMENT + b"\x01\x00", False),
    ],
)
def test_matroska_is_complete_with_all_bytes_of_its_segment(
    tmp_path: Path, content: bytes, complete: bool
) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(content)
    assert is_complete(film) is complete


@given(st.integers(1, 8), st.data())
def test_sizes_are_read_as_written(length: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, (1 << 7 * length) - 2))
    written = (size + (1 << 7 * length)).to_bytes(length)
    assert read_size(b"*" + written + b"*", 1) == (size, 1 + length)


def test_bounded_file_seems_to_end_when_its_bytes_are_used_up(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as opened:
        file = BoundedFile(opened)
        assert file.read() == b"0123456789"
        file.seek(0)
        file.allow(4)
        assert [file.read(3), file.read(3), file.read(3)] == [b"012", b"3", b""]
        assert file.is_used_up
        assert file.tell() == 4
