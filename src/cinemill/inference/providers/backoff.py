"""How long to wait before a service is asked again."""

from __future__ import annotations

import hashlib
import math

LONGEST_EXPONENT = 30


def choose_delay_seconds(
    attempts: int, key: str, *, first_seconds: float, longest_seconds: float
) -> float:
    """Return the pause before the next request, between half of and all of an exponential one.

    ``attempts`` counts the requests so far, 0 and up. The share follows from ``key`` and
    ``attempts``: many jobs that were throttled together come back apart, and a test needs no luck.
    """
    digest = hashlib.sha256(f"{key}:{attempts}".encode()).digest()
    share = 0.5 + digest[0] / 510
    pause = first_seconds * float(2 ** min(max(attempts, 0), LONGEST_EXPONENT))
    return min(pause, longest_seconds) * share


def read_retry_after(header: str | None, *, longest_seconds: float) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, 0 to ``longest_seconds``.

    None where there is none, or where it is a date.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), longest_seconds) if math.isfinite(seconds) else None
