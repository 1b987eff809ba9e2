"""The key frames of an earlier encoding, seen in the packet sizes of the present one.

An encoder starts afresh at each key frame: the noise of its compression changes all over the
picture. When the result is encoded again with key frames elsewhere, those places cost more bytes
than their neighbors, at the beat of the first encoding. (The variation of prediction footprint of
Vázquez-Padín and others, IEEE WIFS 2012, counts macroblock types at the same places.)

Sizes become ranks among all frames, so that no assumption about their distribution is needed: if
nothing is periodic, the ranks at the places of one beat are like any others, and the sum of their
logarithms follows a gamma distribution. The best of all beats is corrected for their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.core.origin.forensics import FindingCode, FindingStrength, ForensicsFinding
from cinemill.media.forensics.packet_table import PacketTable

EXAMINED_CODECS = frozenset(
    {"h264", "hevc", "mpeg4", "msmpeg4v3", "msmpeg4v2", "mpeg2video", "mpeg1video"}
)
"""Others change the quality of their frames in a pattern that hides the trace."""
SHORTEST_BEAT, LONGEST_BEAT = 10, 300
FEWEST_PLACES = 4
"""A beat must be seen so often."""
FEWEST_FRAMES = 60
MOST_FRAMES = 20_000
WEAK_CHANCE, STRONG_CHANCE = 1e-2, 1e-5
"""Probability of a beat as clear as this one in a video that has none."""
PATTERN_SHARE, FEWEST_PATTERN_PLACES = 0.85, 12
"""Of the places of a period shorter than :data:`SHORTEST_BEAT`, so many must be costly for it to be
the encoder's own pattern, whose multiples mean nothing."""
_WINDOW_FRAMES = 12
_NEAR_KEY_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Beat:
    """Places at a steady distance where frames cost more than their neighbors."""

    frames: int
    first: int
    places: int
    chance: float
    """Probability of one as clear in a video that has none."""


def find_earlier_encoding(table: PacketTable) -> list[ForensicsFinding]:
    """Find the beat of an earlier encoding's key frames, if it is clear enough."""
    beat = find_beat(table)
    if beat is None or beat.chance >= WEAK_CHANCE:
        return []
    times = table.times[table.display_order]
    seconds = float(np.median(np.diff(times))) * beat.frames
    return [
        ForensicsFinding(
            FindingCode.ENCODED_AGAIN,
            FindingStrength.STRONG if beat.chance < STRONG_CHANCE else FindingStrength.WEAK,
            f"Every {beat.frames} frames ({seconds:.2f} s) a frame costs more than its neighbors, "
            f"{beat.places} times in all, as the key frames of an earlier encoding do, at this "
            "distance or a multiple of it. Something in the picture that changes at exactly this "
            "beat would look the same.",
            round(float(times[beat.first]) * 1000),
            {"beat_frames": beat.frames, "places": beat.places, "chance": beat.chance},
        )
    ]


def find_beat(table: PacketTable) -> Beat | None:
    """Return the clearest beat, however unclear; None where there are too few frames."""
    if len(table.times) < FEWEST_FRAMES or table.codec not in EXAMINED_CODECS:
        return None
    order = table.display_order[:MOST_FRAMES]
    surprise = measure_surprise(table, order)
    if np.isfinite(surprise).sum() < FEWEST_FRAMES:
        return None
    patterns = [period for period in range(2, SHORTEST_BEAT) if _is_pattern(surprise, period)]
    found = [
        beat
        for frames in range(SHORTEST_BEAT, min(LONGEST_BEAT, len(order) // FEWEST_PLACES) + 1)
        if not any(frames % period == 0 for period in patterns)
        and (beat := _clearest_phase(surprise, frames)) is not None
    ]
    if not found:
        return None
    tests = sum(beat.frames for beat in found)
    best = min(found, key=lambda beat: beat.chance)
    return Beat(best.frames, best.first, best.places, min(1.0, best.chance * tests))


def measure_surprise(table: PacketTable, order: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return -log of each frame's rank by how much it costs; NaN near a key frame.

    The value of a frame is that of the costliest up to the next one that is not reordered: a
    change at a B-frame is paid for by the frame that it is predicted from.
    """
    is_key, is_reordered = table.is_key[order], table.is_reordered()[order]
    cost = np.log2(table.sizes[order] + 32.0)
    excess = np.full(len(order), np.nan)
    for members in (~is_key & ~is_reordered, ~is_key & is_reordered):
        excess[members] = _normalize(cost[members])
    excess = _carry_back(excess, ~is_reordered)
    near_key = np.convolve(is_key, np.ones(2 * _NEAR_KEY_FRAMES + 1), "same") > 0
    excess[near_key] = np.nan
    excess = _without_own_pattern(excess, is_key)
    valid = np.isfinite(excess)
    ranks = np.argsort(np.argsort(-excess[valid], kind="stable"), kind="stable")
    surprise = np.full(len(order), np.nan)
    surprise[valid] = -np.log((ranks + 0.5) / max(1, valid.sum()))
    return surprise


def _normalize(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each lies above the median of its neighbors, in units of the usual spread."""
    if len(costs) < 2 * _WINDOW_FRAMES:
        return np.full(len(costs), np.nan)
    padded = np.pad(costs, _WINDOW_FRAMES, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _WINDOW_FRAMES + 1)
    excess: NDArray[np.float64] = costs - np.median(windows, axis=1)
    spread = float(np.median(np.abs(excess))) or 1.0
    return excess / spread


def _carry_back(excess: NDArray[np.float64], is_anchor: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the largest value from each frame to the next anchor, that one included."""
    carried = excess.copy()
    for at in range(len(excess) - 2, -1, -1):
        if not is_anchor[at]:
            carried[at] = np.fmax(carried[at], carried[at + 1])
    return carried


def _without_own_pattern(
    excess: NDArray[np.float64], is_key: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the excess over what is usual so many frames after a key frame of this encoding."""
    places = np.arange(len(excess))
    last_key = np.maximum.accumulate(np.where(is_key, places, 0))
    offsets = places - last_key
    corrected = excess.copy()
    for offset in np.unique(offsets):
        members = (offsets == offset) & np.isfinite(excess)
        if members.sum() >= FEWEST_PLACES:
            corrected[members] -= np.median(excess[members])
    return corrected


def _is_pattern(surprise: NDArray[np.float64], period: int) -> bool:
    """Check whether frames at one place of a short period nearly always cost more than the median.

    A longer beat, of which this period is a part, raises only some of those places.
    """
    above = np.where(np.isfinite(surprise), surprise > math.log(2), np.nan)
    grid = _fold(above, period)
    counts = np.isfinite(grid).sum(axis=0)
    shares = np.nansum(grid, axis=0) / np.maximum(counts, 1)
    return bool(((shares >= PATTERN_SHARE) & (counts >= FEWEST_PATTERN_PLACES)).any())


def _fold(values: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    """Return the values in rows of ``period``; the last row is filled with NaN."""
    rows = math.ceil(len(values) / period)
    padded = np.full(rows * period, np.nan)
    padded[: len(values)] = values
    return padded.reshape(rows, period)


def _clearest_phase(surprise: NDArray[np.float64], frames: int) -> Beat | None:
    """Return the phase of this period at which frames cost most."""
    grid = _fold(surprise, frames)
    counts = np.isfinite(grid).sum(axis=0)
    sums = np.nansum(grid, axis=0)
    usable = counts >= FEWEST_PLACES
    if not usable.any():
        return None
    # For equal counts the largest sum is the least likely one.
    best: Beat | None = None
    for count in np.unique(counts[usable]):
        phases = np.flatnonzero(counts == count)
        phase = int(phases[np.argmax(sums[phases])])
        chance = gamma_tail(int(count), float(sums[phase]))
        if best is None or chance < best.chance:
            best = Beat(frames, phase, int(count), chance)
    return best


def gamma_tail(shape: int, value: float) -> float:
    """Return the probability that a sum of ``shape`` exponential variables exceeds ``value``."""
    if value <= 0:
        return 1.0
    logs = [count * math.log(value) - math.lgamma(count + 1) for count in range(shape)]
    largest = max(logs)
    total = sum(math.exp(one - largest) for one in logs)
    return min(1.0, math.exp(-value + largest + math.log(total)))
