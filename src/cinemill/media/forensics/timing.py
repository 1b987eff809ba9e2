"""Gaps and overlaps between frames of a steady rate, and frames that a file keeps but hides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.core.origin.forensics import FindingCode, FindingStrength, ForensicsFinding
from cinemill.media.forensics.packet_table import PacketTable

STEADY_SHARE = 0.9
"""Of all steps, so many must be alike for the rate to count as steady."""
FEWEST_FRAMES = 24
MOST_FINDINGS = 10
_GAP_STEPS, _OVERLAP_STEPS = 1.5, 0.5
_ROUNDING_SECONDS = 0.0021
"""Containers that count milliseconds round each time."""


@dataclass(frozen=True, slots=True, eq=False)
class Cadence:
    """The steps between frames in the order in which they are shown."""

    step_seconds: float
    """The usual step; 0 where there is none."""
    is_steady: bool
    steps: NDArray[np.float64]
    starts: NDArray[np.float64]
    """The time at which each step begins."""
    ends_at_key: NDArray[np.bool_]
    """The frame at the end of the step is a key frame."""


def measure_cadence(table: PacketTable) -> Cadence:
    """Return the steps between frames, and whether they are alike."""
    order = table.display_order
    times = table.times[order]
    steps = np.diff(times)
    if len(steps) + 1 < FEWEST_FRAMES:
        return Cadence(0.0, False, steps, times[:-1], table.is_key[order][1:])
    usual = float(np.median(steps))
    slack = _slack(table, usual)
    alike = np.abs(steps - usual) <= slack
    is_steady = usual > slack and float(alike.mean()) >= STEADY_SHARE
    exact = float(steps[alike].mean()) if is_steady else usual
    return Cadence(exact, is_steady, steps, times[:-1], table.is_key[order][1:])


def _slack(table: PacketTable, step_seconds: float) -> float:
    rounding = max(2 * float(table.time_base), min(_ROUNDING_SECONDS, step_seconds / 4))
    return min(rounding, step_seconds / 3)


def find_time_breaks(table: PacketTable, cadence: Cadence) -> list[ForensicsFinding]:
    """Find steps that are too long or too short in a video of an otherwise steady rate."""
    if not cadence.is_steady:
        return []
    step = cadence.step_seconds
    slack = _slack(table, step)
    odd = np.flatnonzero(np.abs(cadence.steps - step) > 2 * slack)
    # The last frame of a recording is often short or long; its step says nothing.
    odd = odd[odd < len(cadence.steps) - 1]
    return [_describe(cadence, int(at)) for at in odd[:MOST_FINDINGS]]


def _describe(cadence: Cadence, at: int) -> ForensicsFinding:
    step, usual = float(cadence.steps[at]), cadence.step_seconds
    time_ms = round((float(cadence.starts[at]) + step) * 1000)
    facts = {
        "step_ms": round(step * 1000, 1),
        "usual_step_ms": round(usual * 1000, 1),
        "is_at_key_frame": bool(cadence.ends_at_key[at]),
    }
    if cadence.ends_at_key[at] and step < _GAP_STEPS * usual * 4:
        return ForensicsFinding(
            FindingCode.JOINED,
            FindingStrength.WEAK,
            f"The frame at {_clock(time_ms)} comes after {step * 1000:.1f} ms instead of "
            f"{usual * 1000:.1f} ms, exactly at a key frame, as where two recordings are joined "
            "without encoding. A recording that was paused looks the same.",
            time_ms,
            facts,
        )
    if step > usual:
        return ForensicsFinding(
            FindingCode.TIME_GAP,
            FindingStrength.WEAK,
            f"No frame for {step * 1000:.0f} ms before {_clock(time_ms)}, in a video with one "
            f"every {usual * 1000:.1f} ms. Frames were dropped or removed there.",
            time_ms,
            facts,
        )
    return ForensicsFinding(
        FindingCode.TIME_OVERLAP,
        FindingStrength.WEAK,
        f"The frame at {_clock(time_ms)} comes {step * 1000:.1f} ms after the one before it, in a "
        f"video with one every {usual * 1000:.1f} ms.",
        time_ms,
        facts,
    )


def describe_hidden_frames() -> ForensicsFinding:
    """Return the finding about a file whose edit list leaves something out."""
    return ForensicsFinding(
        FindingCode.FRAMES_HIDDEN,
        FindingStrength.WEAK,
        "The file keeps frames that players do not show (edit list): it was trimmed without "
        "encoding. Phones and editors do so when the beginning or end is cut off.",
    )


def _clock(time_ms: int) -> str:
    minutes, seconds = divmod(time_ms / 1000, 60)
    return f"{int(minutes)}:{seconds:06.3f}"
