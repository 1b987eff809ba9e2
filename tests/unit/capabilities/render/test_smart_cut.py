"""Reading H.264 packets in MP4 for what may be copied into a piece."""

from __future__ import annotations

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.pieces.copy_ranges import StoredFrame
from cinemill.capabilities.render.pieces.smart_cut import describe, list_units


@pytest.mark.parametrize(
    ("packet", "units"),
    [
        (b"\0\0\0\2\x65\1", [5]),
        (b"\0\0\0\1\x06\0\0\0\1\x41", [6, 1]),
        (b"\0\0\0\1\x67\0\0\0\1\x65", [7, 5]),
        (b"\0\0\0\1\x65\0\0\0\1\x68", [5, 8]),
        (b"\0\0\0\3\x65\1", []),
        (b"\0\0\0\0\x65", []),
        (b"\0\0\0\1\x65\0\0", []),
        (b"\0\0\0", []),
        (b"", []),
    ],
)
def test_list_units_returns_nothing_for_broken_packets(packet: bytes, units: list[int]) -> None:
    assert list_units(packet) == units


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_list_units_finds_every_unit(units: list[bytes]) -> None:
    packet = b"".join(len(unit).to_bytes(4) + unit for unit in units)
    assert list_units(packet) == [unit[0] & 0x1F for unit in units]


@pytest.mark.parametrize(
    ("units", "is_marked", "is_key", "is_plain"),
    [
        ([5], True, True, True),
        ([6, 5, 5], True, True, True),
        ([1], False, False, True),
        ([1], True, False, True),
        ([5], False, False, True),
        ([7, 8, 5], True, True, False),
        ([], True, False, False),
    ],
    ids=[
        "IDR",
        "IDR after SEI",
        "other slice",
        "marked, no IDR",
        "IDR, not marked",
        "sets",
        "none",
    ],
)
def test_frame_is_key_only_if_marked_and_idr(
    units: list[int], is_marked: bool, is_key: bool, is_plain: bool
) -> None:
    packet = av.Packet(b"".join(b"\0\0\0\1" + bytes([unit]) for unit in units))
    packet.is_keyframe = is_marked
    assert describe(packet, 3) == StoredFrame(3, is_key, is_plain)
