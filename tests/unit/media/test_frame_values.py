"""Sizes, orientation, clocks and pace of frames: pure values."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av.sidedata.sidedata import Type as SideData
from hypothesis import given
from hypothesis import strategies as st

from cinemill.media.frames.child import Pace
from cinemill.media.frames.clock import FrameClock
from cinemill.media.frames.pixels import Orientation, SizeBound, read_orientation
from cinemill.media.frames.tone import HLG, PQ, to_sdr

SIDES = st.integers(1, 8192)


@given(SIDES, SIDES, SIDES, st.integers(1, 10**7))
def test_fitted_size_is_within_its_bounds(
    width: int, height: int, max_width: int, max_pixels: int
) -> None:
    fitted = SizeBound(max_width, max_pixels).fit(width, height)
    assert 1 <= fitted[0] <= min(max_width, width)
    assert 1 <= fitted[1] <= height
    assert fitted[0] * fitted[1] <= max_pixels


def test_fitted_size_keeps_the_shape() -> None:
    assert SizeBound(960, 10**9).fit(1920, 1080) == (960, 540)
    assert SizeBound(4000, 100 * 100).fit(400, 400) == (100, 100)
    assert SizeBound(4000, 10**9).fit(321, 181) == (321, 181)


@dataclass(frozen=True)
class StoredFrame:
    """A frame with a display matrix, as FFmpeg keeps it: nine 16.16 numbers."""

    matrix: tuple[int, int, int, int]

    @property
    def side_data(self) -> dict[Any, bytes]:
        a, b, c, d = (value * 65_536 for value in self.matrix)
        return {SideData.DISPLAYMATRIX: struct.pack("<9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)}


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    ],
)
def test_display_matrix_turns_and_mirrors(matrix: tuple[int, int, int, int], turned: Any) -> None:
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    upright = read_orientation(StoredFrame(matrix)).apply(stored)
    assert (upright == turned(stored)).all()
    assert upright.flags.c_contiguous


def test_frame_without_a_matrix_is_upright() -> None:
    assert read_orientation(SimpleNamespace(side_data={})) == Orientation()


def stamp(times: Sequence[int | None], *, has_jumps: bool = False) -> list[int]:
    stream = SimpleNamespace(
        average_rate=Fraction(25), guessed_rate=None, time_base=Fraction(1, 1000)
    )
    clock = FrameClock(stream, has_jumps=has_jumps)
    return [clock.stamp(SimpleNamespace(pts=time, dts=None)) for time in times]


def test_clock_keeps_rising_timestamps() -> None:
    assert stamp([7, 47, 90, 5000, 90_000]) == [7, 47, 90, 5000, 90_000]


def test_clock_counts_on_where_timestamps_are_missing() -> None:
    assert stamp([None, None, 80, None, 160]) == [0, 40, 80, 120, 160]


def test_clock_shifts_what_follows_a_jump_back() -> None:
    assert stamp([1000, 1040, 0, 40, 80]) == [1000, 1040, 1080, 1120, 1160]


def test_clock_closes_long_gaps_of_joined_streams_only() -> None:
    assert stamp([0, 40, 50_000, 50_040]) == [0, 40, 50_000, 50_040]
    assert stamp([0, 40, 50_000, 50_040], has_jumps=True) == [0, 40, 80, 120]


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=40), st.booleans())
def test_clock_always_rises(times: list[int | None], has_jumps: bool) -> None:
    stamped = stamp(times, has_jumps=has_jumps)
    assert all(after > before for before, after in itertools.pairwise(stamped))


def test_pace_shows_the_first_frame_of_each_interval() -> None:
    pace = Pace(Fraction(2), Fraction(1, 1000))
    times = [100, 140, 590, 610, 1090, 2700, 2710, 3100]
    assert [t for t in times if pace.is_due(t, 40)] == [100, 610, 2700, 3100]
    assert pace.shown_seconds == pytest.approx(3.04)


def test_pace_without_a_rate_shows_every_frame() -> None:
    pace = Pace(None, Fraction(1, 25))
    assert all(pace.is_due(n, 1) for n in range(5))


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tone_mapping_keeps_order_and_gray(transfer: str) -> None:
    levels = np.linspace(0, 65_535, 64).astype(np.uint16)
    gray = np.repeat(levels[None, :, None], 3, axis=2)
    shown = to_sdr(gray, transfer, "bt2020")[0].astype(int)
    assert (np.diff(shown[:, 1]) >= 0).all()
    assert abs(shown - shown[:, 1:2]).max() <= 2
    assert shown[0].max() == 0
    assert shown[-1].min() >= 254


def test_reference_white_of_pq_is_shown_brightly_but_below_the_peak() -> None:
    white = round(0.5081 * 65_535)  # 100 nits
    shown = to_sdr(np.full((1, 1, 3), white, dtype=np.uint16), PQ, "bt2020")
    assert 120 <= int(shown[0, 0, 0]) <= 200
