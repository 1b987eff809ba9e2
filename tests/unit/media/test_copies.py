"""What may be copied into a piece: a look at H.264 packets as MP4 holds them."""

from __future__ import annotations

import pytest

from cinemill.media.copies import is_plain


@pytest.mark.parametrize(
    ("packet", "plain"),
    [
        (b"\0\0\0\2\x65\1", True),
        (b"\0\0\0\1\x06\0\0\0\1\x41", True),
        (b"\0\0\0\1\x67\0\0\0\1\x65", False),
        (b"\0\0\0\1\x65\0\0\0\1\x68", False),
        (b"\0\0\0\3\x65\1", False),
        (b"\0\0\0\0\x65", False),
        (b"\0\0\0", False),
        (b"", False),
    ],
)
def test_a_plain_packet_is_a_picture_and_nothing_for_later_ones(packet: bytes, plain: bool) -> None:
    assert is_plain(packet) is plain
