"""HDR to SDR for single frames: BT.2100 to BT.709, as ``media.color.tonemap`` has FFmpeg do it.

Formulas from ITU-R BT.2100 (PQ, HLG), BT.1886 (display gamma), BT.2087 (primaries) and John Hable's
published curve; the reference white is 100 nits, and the peak 1,000.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PQ = "smpte2084"
HLG = "arib-std-b67"
_LEVELS = 65_536
_GAMMA = 2.4
_PEAK = 10.0
_PQ_PEAK = 100.0
_LUMA_2020 = np.array([0.2627, 0.678, 0.0593], dtype=np.float32)
_BT2020_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
_P3_TO_709 = np.array(
    [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], dtype=np.float32
)
TO_709: Mapping[str, NDArray[np.float32]] = {
    "bt2020": _BT2020_TO_709,
    "smpte431": _P3_TO_709,
    "smpte432": _P3_TO_709,
}
"""Matrices on linear light, by the primaries of a source whose colors a display of BT.709's shows
wrongly otherwise: those of BT.2020 and of P3, whose white is shown as that of BT.709."""


def to_sdr(pixels: NDArray[np.uint16], transfer: str, primaries: str) -> NDArray[np.uint8]:
    """Convert PQ's or HLG's RGB of 16 bits a channel to 8 bits as a standard display shows it.

    ``transfer`` and ``primaries`` are FFmpeg's names.
    """
    linear = _linear_table(transfer)[pixels]
    if transfer == HLG:
        luma = np.maximum(linear @ _LUMA_2020, 1e-6)
        linear *= (_PEAK * luma**0.2)[..., None]
    if primaries in TO_709:
        linear = np.maximum(linear @ TO_709[primaries].T, 0.0)
    brightest = np.maximum(linear.max(axis=-1), 1e-6)
    linear *= (_hable(brightest) / _hable(np.float32(_PEAK)) / brightest)[..., None]
    return _show(linear)


def to_709(pixels: NDArray[np.uint16], primaries: str) -> NDArray[np.uint8]:
    """Convert SDR's RGB of 16 bits a channel from these primaries to 8 bits of BT.709's.

    Colors that it has not become the nearest on its edge. Raises KeyError for other primaries than
    those of ``TO_709``.
    """
    linear = _light_table()[pixels] @ TO_709[primaries].T
    return _show(linear)


def unmix_ycgco(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert YCgCo in full range, 3 × height × width, to RGB (ITU-T H.273, matrix 8)."""
    luma, green, orange = planes.astype(np.int16)
    green, orange = green - 128, orange - 128
    rest = luma - green
    pixels = np.stack([rest + orange, luma + green, rest - orange], axis=-1)
    shown: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return shown


def _show(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = np.clip(linear * (_LEVELS - 1), 0, _LEVELS - 1).astype(np.uint16)
    shown: NDArray[np.uint8] = _gamma_table()[levels]
    return shown


@functools.cache
def _light_table() -> NDArray[np.float32]:
    """Return the light of each level on a standard display (BT.1886)."""
    signal = np.linspace(0.0, 1.0, _LEVELS)
    return (signal**_GAMMA).astype(np.float32)


@functools.cache
def _linear_table(transfer: str) -> NDArray[np.float32]:
    """Return the light of each level: PQ relative to the reference white, HLG of the scene."""
    signal = np.linspace(0.0, 1.0, _LEVELS)
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        power = signal ** (1 / m2)
        light = _PQ_PEAK * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)


@functools.cache
def _gamma_table() -> NDArray[np.uint8]:
    light = np.linspace(0.0, 1.0, _LEVELS)
    return np.round(255 * light ** (1 / _GAMMA)).astype(np.uint8)


def _hable(light: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
    curve = (light * (a * light + c * b) + d * e) / (light * (a * light + b) + d * f) - e / f
    return np.asarray(curve, dtype=np.float32)
