"""Delays before retries. Pure."""

from __future__ import annotations

LONGEST_DELAY_SECONDS = 3600.0
CRASH_DELAY_SECONDS = 1.0
LONGEST_CRASH_DELAY_SECONDS = 60.0


def plan_retry_delay(failures: int, base_seconds: float, jitter: float) -> float:
    """Return the seconds until the attempt after ``failures`` (≥ 1) failed ones.

    Doubles from ``base_seconds`` up to an hour; ``jitter`` in [0, 1) spreads it over ±25 %, so
    that jobs that failed together do not come back together.
    """
    delay = base_seconds * 2.0 ** min(failures - 1, 20)
    return min(delay, LONGEST_DELAY_SECONDS) * (0.75 + 0.5 * jitter)


def plan_crash_delay(crashes: int) -> float:
    """Return the seconds until the attempt after ``crashes`` (≥ 1): short, as for a lost worker."""
    return min(CRASH_DELAY_SECONDS * 2.0 ** min(crashes - 1, 20), LONGEST_CRASH_DELAY_SECONDS)
