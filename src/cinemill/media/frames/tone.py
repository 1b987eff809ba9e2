"""HDR to SDR for single frames: BT.2100 to BT.709, as ``media.encoding.tonemap`` has FFmpeg do it.

Formulas from ITU-R BT.2100 (PQ, HLG), BT.1886 (display gamma), BT.2087 (primaries) and John Hable's
published curve; the reference white is 100 nits, and the peak 1,000.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

PQ = 16
HLG = 18
"""Transfer characteristics that need this, as ITU-T H.273 counts them."""
_LEVELS = 65_536
_PEAK = 10.0
_PQ_PEAK = 100.0
_LUMA_2020 = np.array([0.2627, 0.678, 0.0593], dtype=np.float32)
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)


def to_sdr(pixels: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Convert RGB of 16 bits a channel to 8 bits as a standard display shows it."""
    linear = _linear_table(transfer)[pixels]
    if transfer == HLG:
        luma = np.maximum(linear @ _LUMA_2020, 1e-6)
        linear *= (_PEAK * luma**0.2)[..., None]
    linear = np.maximum(linear @ _TO_709.T, 0.0)
    brightest = np.maximum(linear.max(axis=-1), 1e-6)
    linear *= (_hable(brightest) / _hable(np.float32(_PEAK)) / brightest)[..., None]
    levels = np.clip(linear * (_LEVELS - 1), 0, _LEVELS - 1).astype(np.uint16)
    shown: NDArray[np.uint8] = _gamma_table()[levels]
    return shown


@functools.cache
def _linear_table(transfer: int) -> NDArray[np.float32]:
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
    return np.round(255 * light ** (1 / 2.4)).astype(np.uint8)


def _hable(light: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
    curve = (light * (a * light + c * b) + d * e) / (light * (a * light + b) + d * f) - e / f
    return np.asarray(curve, dtype=np.float32)
